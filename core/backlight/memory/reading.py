"""One reading of what a net or a function is made of: of each kind of object, what tells it."""

import functools
import hashlib
import sys
from array import array
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from types import (
    BuiltinMethodType,
    FunctionType,
    MethodType,
    MethodWrapperType,
    ModuleType,
    SimpleNamespace,
)
from typing import Any, TypeAlias, cast, final

import numpy as np

from backlight.memory.code_names import called_by_others, is_installed, names_in, slots_of
from backlight.memory.keras_layers import IGNORED, is_layer, is_variable

PLAIN = frozenset({int, bool, str, bytes, type(None)})
NUMBERS = frozenset({float, complex})
CLOSED = {"jax", "jaxlib", "mlx", "numpy", "tensorflow", "torch"}
"""Packages whose objects are compared by identity, where no backend says how to read them."""
CALLED = frozenset({"__call__", "forward", "call", "setup"})
"""Methods that frameworks call."""
SHORT = 1024
"""Bytes up to which an array is kept as it is."""

Read: TypeAlias = "Callable[[Reading, Any], None]"


@final
class Reading:
    """One reading of everything that can be reached."""

    def __init__(
        self,
        arguments: tuple[type, ...],
        records: Mapping[int, tuple[object, frozenset[object] | None]],
    ) -> None:
        """
        Args:
            arguments: kinds of object of which only the kind counts.
            records: by id, objects and which of their attributes or keys do not count; None for all.
        """
        self.told: list[object] = []
        self.entered: list[tuple[object, int]] = []
        self.kept: list[object] = []
        self._records = records
        self.waiting: list[object] = []
        self._arguments = arguments
        self._seen: dict[int, int] = {}
        self._names: set[str] = set(CALLED)
        self._classes: dict[type, set[str]] = {}

    def read(self, roots: Iterable[object]) -> None:
        self.waiting.extend(roots)
        while self.waiting:
            self._read_all()
            self._read_methods()

    def by_identity(self, value: object) -> None:
        self.told.append(id(value))

    def attributes(self, value: object, ignored: frozenset[str] = frozenset()) -> None:
        """The class of an object and its attributes but some, all taken at once as other threads may
        be changing them."""
        self.told.append(type(value))
        self._class(type(value))
        if id(value) in self._records:
            ignored |= self._records[id(value)][1] or ignored  # type: ignore[operator]
        told, waiting = self.told, self.waiting
        for name, part in list(vars(value).items()) if hasattr(value, "__dict__") else ():
            if name in ignored:
                continue
            if (kind := type(part)) in PLAIN:
                told += (name, kind, part)
            else:
                told.append(name)
                waiting.append(part)
        for name in slots_of(type(value)):  # type: ignore[arg-type]
            if name not in ignored and hasattr(value, name):
                self.part(name, getattr(value, name))

    def part(self, name: object, value: object) -> None:
        """A part by its name; of a plain one, the value with it."""
        if type(value) in PLAIN:
            self.told += (name, type(value), value)
        else:
            self.told.append(name)
            self.waiting.append(value)

    def _recorded(self, value: object) -> frozenset[object] | None:
        """The names of the parts of an object that do not count; None where none count."""
        return self._records[id(value)][1] if id(value) in self._records else frozenset()

    def _read_all(self) -> None:
        told, entered, waiting, seen = self.told, self.entered, self.waiting, self._seen
        readers = _readers.setdefault(self._arguments, {})
        while waiting:
            value = waiting.pop()
            kind = type(value)
            if kind in PLAIN:
                told += (kind, value)
            elif kind in NUMBERS:
                told.append(repr(value))  # in which NaN equals itself, and -0.0 not 0.0
            elif (mark := id(value)) in seen:
                told += ("seen", seen[mark])
            else:
                seen[mark] = len(seen)
                entered.append((value, len(told)))
                read = readers.get(kind)
                if read is None:
                    if len(readers) > 4096:
                        readers.clear()
                    read = readers[kind] = reader_of(value, self._arguments)
                read(self, value)

    def _class(self, kind: type) -> None:
        if kind not in self._classes:
            for base in kind.__mro__:
                if base not in self._classes and not is_installed(base.__module__):
                    self._classes[base] = set()

    def _read_methods(self) -> None:
        """Of the user's own classes: what is called by the frameworks, or named in code read so far."""
        for kind, done in list(self._classes.items()):
            held = vars(kind)
            wanted = (self._names & held.keys()) | called_by_others(kind)
            for name in sorted(wanted - done):
                self.told += (kind, name)
                self.waiting.append(held[name])
            done |= wanted

    def function(self, function: FunctionType) -> None:
        code = function.__code__
        self.told.append(id(code))
        self.kept.append(code)
        self.waiting += (function.__defaults__, function.__kwdefaults__)
        if function.__dict__:
            self.waiting.append(function.__dict__)
        counts = self._recorded(function) or frozenset()
        for name, cell in zip(code.co_freevars, function.__closure__ or (), strict=True):
            if name in counts:
                continue
            try:
                self.part(name, cell.cell_contents)
            except ValueError:  # not filled yet
                self.told.append(ValueError)
        held = function.__globals__
        if is_installed(held.get("__name__", ""), held.get("__file__")):
            return
        names = names_in(code)
        self._names |= names.all
        for name in names.globals:
            if name not in held or name in counts:
                continue
            if not isinstance(value := held[name], ModuleType):
                self.part(name, value)
            elif not is_installed(value.__name__, getattr(value, "__file__", None)):
                self.told.append(name)
                for inner in names.all:
                    if inner in vars(value):
                        self.part(inner, vars(value)[inner])

    def mapping(self, value: Mapping[Any, object]) -> None:
        ignored = self._recorded(value)
        self.told.append(type(value))
        for key, part in tuple(value.items()) if ignored is not None else ():
            if type(key) in PLAIN:
                if key not in ignored:  # type: ignore[operator]
                    self.part(key, part)
            else:
                self.waiting += (key, part)

    def sequence(self, value: "list[object] | tuple[object, ...] | deque[object]") -> None:
        if self._recorded(value) is None:
            self.told.append(type(value))
            return
        self.told += (type(value), len(value))
        kinds = set(map(type, value))
        if len(kinds) != 1:
            self.waiting.extend(value)
        elif kinds <= PLAIN:
            self.told += (*kinds, *value)
        elif kinds == {float}:
            self.told.append(array("d", tuple(cast("list[float]", value))).tobytes())
        else:
            self.waiting.extend(value)

    def elements(self, value: "set[object] | frozenset[object]") -> None:
        self.told.append(type(value))
        if self._recorded(value) is not None:
            self.told += (len(value), frozenset(value))

    def numbers(self, value: "np.ndarray[Any, Any] | np.generic") -> None:
        held = np.asarray(value)
        self.told += (held.shape, held.dtype.str)
        if held.dtype.hasobject:
            self.waiting.append(held.reshape(-1).tolist())
        elif held.nbytes <= SHORT:
            self.told.append(held.tobytes())
        else:
            data = np.ascontiguousarray(held).reshape(-1).view(np.uint8)
            self.told.append(hashlib.sha1(data.data, usedforsecurity=False).digest())

    def cls(self, value: type) -> None:
        self.told.append(value)
        self._class(value)

    def variable(self, value: Any) -> None:
        """One of Keras."""
        self.told.append(id(value))
        self.waiting.append(value._value)

    def parts(self, *parts: object) -> None:
        self.waiting += parts


_registered: dict[type, Read] = {}
_readers: dict[tuple[type, ...], dict[type, Read]] = {}
"""Of each kind of object, how it is read, by what counts as an argument."""


def reads(kind: type, read: Read) -> None:
    """Let objects of a kind, and of kinds derived from it, be read like this.

    A reader is called with the reading and the object. It appends to `told` what tells the object by
    value, and to `waiting` the parts to read; `by_identity` and `attributes` do so for it.
    """
    _registered[kind] = read
    _readers.clear()


def reader_of(value: object, arguments: tuple[type, ...]) -> Read:
    """How a kind of object is read."""
    kind = type(value)
    if issubclass(kind, arguments):
        return lambda reading, value: reading.told.append(type(value))
    for base in kind.__mro__:
        if base in _registered:
            return _registered[base]
    if is_layer(kind):
        return lambda reading, layer: reading.attributes(layer, IGNORED)
    if is_variable(kind):
        return lambda reading, variable: reading.variable(variable)
    for kinds, read in BUILT_IN:
        if isinstance(value, kinds):
            return read
    package = kind.__module__.partition(".")[0]
    closed = package in CLOSED or (package in sys.stdlib_module_names and package != "__main__")
    if (closed and kind is not SimpleNamespace) or not (
        hasattr(value, "__dict__") or slots_of(kind)  # type: ignore[arg-type]
    ):
        return Reading.by_identity
    return Reading.attributes


BUILT_IN: tuple[tuple[type | tuple[type, ...], Read], ...] = (
    (Mapping, Reading.mapping),
    ((list, tuple, deque), Reading.sequence),
    ((set, frozenset), Reading.elements),
    ((np.ndarray, np.generic), Reading.numbers),
    (Enum, Reading.by_identity),
    (type, Reading.cls),
    (FunctionType, Reading.function),
    (MethodType, lambda reading, method: reading.parts(method.__self__, method.__func__)),
    (
        functools.partial,
        lambda reading, partial: reading.parts(partial.func, partial.args, partial.keywords),
    ),
    (
        (BuiltinMethodType, MethodWrapperType),
        lambda reading, method: reading.parts(method.__name__, method.__self__),
    ),
    ((staticmethod, classmethod), lambda reading, method: reading.parts(method.__func__)),
    (property, lambda reading, part: reading.parts(part.fget)),
    (functools.cached_property, lambda reading, part: reading.parts(part.func)),
    (functools._lru_cache_wrapper, lambda reading, part: reading.parts(part.__wrapped__)),
)
