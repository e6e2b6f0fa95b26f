"""What a net or a function is made of, read anew at each call: is it still what was remembered?

Plain values, NumPy's arrays and containers are read by value; functions by their code and by what they
read beside their arguments, at any depth; objects by their class, its methods that can be reached, and
their attributes; frameworks' arrays by what the backends say (`reads`), and not at all where they are
arguments of what runs.

Not seen are: the insides of what is written in C; what a framework has frozen itself, such as the
closure of a jitted function; globals and classes of installed packages; attributes whose names are put
together as the code runs; and what a call of the net changes by itself, such as a counter of its calls.
"""

import functools
import hashlib
import sys
from array import array
from collections import deque
from collections.abc import Callable, Hashable, Iterable, Mapping
from enum import Enum
from types import (
    BuiltinMethodType,
    CodeType,
    FunctionType,
    MethodType,
    MethodWrapperType,
    ModuleType,
    SimpleNamespace,
)
from typing import Any, TypeAlias, final

import numpy as np

from backlight.keras_layers import IGNORED, is_layer, is_variable

PLAIN = frozenset({int, bool, str, bytes, type(None)})
NUMBERS = frozenset({float, complex})
CLOSED = {"jax", "jaxlib", "numpy", "tensorflow", "torch"}
"""Packages whose objects are compared by identity, where no backend says how to read them."""
CALLED = frozenset({"__call__", "forward", "call", "setup"})
"""Methods that frameworks call."""
NOT_CALLED = frozenset(
    {"__init__", "__new__", "__repr__", "__str__", "__doc__", "__module__", "__dict__", "__weakref__"}
    | {"__annotations__", "__qualname__", "__init_subclass__", "__dataclass_fields__", "__slots__"}
    | {"__dataclass_params__", "__match_args__", "__parameters__", "__orig_bases__", "__hash__"}
    | {"__abstractmethods__", "_abc_impl", "__static_attributes__", "__firstlineno__"}
)
SHORT = 1024
"""Bytes up to which an array is kept as it is."""

Read: TypeAlias = "Callable[[Reading, Any], None]"


@final
class Identity:
    """Equal while nothing has changed. It keeps what it tells apart by identity, so that nothing new is
    taken for what was there before."""

    __slots__ = ("_hash", "_kept", "_told")

    def __init__(self, told: list[object], kept: list[object]) -> None:
        self._told, self._kept = tuple(told), kept
        self._hash: int | None = None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Identity) and self._told == other._told

    def __hash__(self) -> int:
        if self._hash is None:
            self._hash = hash(self._told)
        return self._hash


def identity_of(*roots: object, arguments: tuple[type, ...] = ()) -> Identity:
    """The identity of some objects.

    Args:
        roots: nets, functions, or parts of them.
        arguments: kinds of object that are arguments of what runs: how many there are and where counts,
            not what they hold.
    """
    return Reading(arguments).of(roots)


@final
class Reading:
    """One reading of everything that can be reached."""

    def __init__(self, arguments: tuple[type, ...]) -> None:
        self.told: list[object] = []
        self.kept: list[object] = []
        self.waiting: list[object] = []
        self._arguments = arguments
        self._seen: dict[int, int] = {}
        self._names: set[str] = set(CALLED)
        self._classes: dict[type, set[str]] = {}

    def of(self, roots: Iterable[object]) -> Identity:
        self.waiting.extend(roots)
        while self.waiting:
            self._read_all()
            self._read_methods()
        return Identity(self.told, self.kept)

    def by_identity(self, value: object) -> None:
        self.told.append(id(value))

    def attributes(self, value: object, ignored: frozenset[str] = frozenset()) -> None:
        """The class of an object and its attributes but some, all taken at once as other threads may
        be changing them."""
        self.told.append(type(value))
        self._class(type(value))
        for name, part in list(vars(value).items()) if hasattr(value, "__dict__") else ():
            if name not in ignored:
                self.told.append(name)
                self.waiting.append(part)
        for name in slots_of(type(value)):
            if hasattr(value, name):
                self.told.append(name)
                self.waiting.append(getattr(value, name))

    def _read_all(self) -> None:
        told, kept, waiting, seen = self.told, self.kept, self.waiting, self._seen
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
                kept.append(value)
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
            for name in sorted(wanted - done - NOT_CALLED):
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
        for cell in function.__closure__ or ():
            try:
                self.waiting.append(cell.cell_contents)
            except ValueError:  # not filled yet
                self.told.append(ValueError)
        held = function.__globals__
        if is_installed(held.get("__name__", ""), held.get("__file__")):
            return
        names = names_in(code)
        self._names |= names
        for name in names:
            if name not in held:
                continue
            self.told.append(name)
            if not isinstance(value := held[name], ModuleType):
                self.waiting.append(value)
            elif not is_installed(value.__name__, getattr(value, "__file__", None)):
                found = [(part, vars(value)[part]) for part in names if part in vars(value)]
                self.mapping(dict(found))

    def mapping(self, value: Mapping[Any, object]) -> None:
        self.told += (type(value), len(value))
        for key, part in tuple(value.items()):
            if type(key) is str:
                self.told.append(key)
            else:
                self.waiting.append(key)
            self.waiting.append(part)

    def sequence(self, value: "list[object] | tuple[object, ...] | deque[object]") -> None:
        self.told += (type(value), len(value))
        kinds = set(map(type, value))
        if len(kinds) != 1:
            self.waiting.extend(value)
        elif kinds <= PLAIN:
            self.told += (*kinds, tuple(value))
        elif kinds == {float}:
            self.told.append(array("d", tuple(value)).tobytes())
        else:
            self.waiting.extend(value)

    def elements(self, value: "set[object] | frozenset[object]") -> None:
        self.told += (type(value), frozenset(value))

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
    if is_layer(kind):
        return lambda reading, layer: reading.attributes(layer, IGNORED)
    if is_variable(kind):
        return lambda reading, variable: reading.variable(variable)
    for base in kind.__mro__:
        if base in _registered:
            return _registered[base]
    for kinds, read in BUILT_IN:
        if isinstance(value, kinds):
            return read
    package = kind.__module__.partition(".")[0]
    closed = package in CLOSED or (package in sys.stdlib_module_names and package != "__main__")
    if (closed and kind is not SimpleNamespace) or not (
        hasattr(value, "__dict__") or slots_of(kind)
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


@functools.lru_cache(4096)
def slots_of(kind: type) -> tuple[str, ...]:
    """The names of a class's slots."""
    found: list[str] = []
    for base in kind.__mro__:
        slots = vars(base).get("__slots__", ())
        found += [slots] if isinstance(slots, str) else slots
    return tuple(name for name in found if name not in ("__dict__", "__weakref__"))


def called_by_others(kind: type) -> set[str]:
    """The names in a class of what installed classes, from which it is derived, may call."""
    others = [base for base in kind.__mro__ if base is not object and is_installed(base.__module__)]
    held = vars(kind)
    special = {name for name in held if name[:2] == "__"}
    return special.union(*(held.keys() & vars(base).keys() for base in others))


@functools.lru_cache(4096)
def is_installed(module: str, file: str | None = None) -> bool:
    """Whether a module is installed rather than written here: its globals are no weights."""
    if module.partition(".")[0] in sys.stdlib_module_names and module != "__main__":
        return True
    file = file or getattr(sys.modules.get(module), "__file__", None) or ""
    return not {"site-packages", "dist-packages"}.isdisjoint(file.replace("\\", "/").split("/"))


_names: dict[int, tuple[CodeType, frozenset[str]]] = {}


def names_in(code: CodeType) -> frozenset[str]:
    """The names that code may look up, among globals or as attributes, inner functions included."""
    known = _names.get(id(code))
    if known is None:
        if len(_names) > 4096:
            _names.clear()
        found = set(code.co_names)
        for constant in code.co_consts:
            if isinstance(constant, CodeType):
                found |= names_in(constant)
            elif isinstance(constant, str) and constant.isidentifier():
                found.add(constant)  # of `getattr`, perhaps
        known = _names[id(code)] = code, frozenset(found)
    return known[1]
