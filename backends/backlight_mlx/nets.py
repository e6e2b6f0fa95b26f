"""Nets as functions of their weights and arguments, and what they are made of at the moment.

What runs is a copy of a module in inference mode, made anew from the weights: the user's stays as it
is. What a plain function closes over is part of its trace: when it changes, it is traced anew.
"""

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, fields, is_dataclass, replace
from functools import wraps
from threading import RLock
from typing import Any, TypeAlias, final

import mlx.core as mx
import numpy as np
from mlx.nn.layers.base import Module

from backlight.memory.code_names import is_installed
from backlight.memory.identity import identity_beside, identity_of
from backlight.memory.reading import Reading, reads
from backlight.values.inputs import Inputs

Copies: TypeAlias = dict[int, Module]
"""By the identity of a module, what runs in its place."""

COMPILED: type = type(mx.compile(lambda x: x))


@final
@dataclass(frozen=True)
class Aval:
    """An array of which shape and dtype are known."""

    shape: tuple[int, ...]
    dtype: mx.Dtype


@final
class Numbered:
    """An array of a trace: a value of its graph."""

    def __init__(self, value: int) -> None:
        self.value = value


def aval_of(array: Any) -> Aval:
    return Aval(tuple(array.shape), array.dtype)


def numbers(array: Any) -> np.ndarray[Any, Any]:
    """An array on the host, with a dtype of NumPy's own."""
    return np.array(array.astype(mx.float32) if array.dtype == mx.bfloat16 else array)


def rebuilt(value: Any, change: Callable[[Any], Any], copies: Copies | None = None) -> Any:
    """A nested value with what `change` makes of each array in its place, and copies of modules."""
    copies = {} if copies is None else copies
    if isinstance(value, (mx.array, Aval, Numbered)):
        return change(value)
    if isinstance(value, Module):
        if id(value) not in copies:
            kind: Any = type(value)
            made = copies[id(value)] = kind.__new__(kind)
            vars(made).update(vars(value), _training=False)
            parts = {key: rebuilt(part, change, copies) for key, part in value.items()}
            dict.update(made, parts)
        return copies[id(value)]
    if isinstance(value, Mapping):
        parts = {key: rebuilt(part, change, copies) for key, part in value.items()}
        return parts if type(value) is dict else type(value)(parts)  # type: ignore[call-arg]
    if isinstance(value, (tuple, list)):
        items = [rebuilt(part, change, copies) for part in value]
        return type(value)(*items) if hasattr(value, "_fields") else type(value)(items)
    if is_dataclass(value) and not isinstance(value, type):
        held = ((one.name, getattr(value, one.name)) for one in fields(value) if one.init)
        return replace(value, **{name: rebuilt(part, change, copies) for name, part in held})
    return value


def arrays_in(value: Any) -> list[Any]:
    """The arrays of a nested value, in the order of `rebuilt`."""
    found: list[Any] = []
    rebuilt(value, found.append)
    return found


def named_modules(value: Any, path: str = "") -> Iterator[tuple[str, Module]]:
    """The modules in a module, or in its lists and mappings, with their names."""
    if isinstance(value, Module):
        yield path, value
    if isinstance(value, (Mapping, list, tuple)):
        items = value.items() if isinstance(value, Mapping) else enumerate(value)
        for key, part in items:
            yield from named_modules(part, f"{path}.{key}" if path else str(key))


class Net:
    """A module, a method of one, or a function."""

    def __init__(self, given: Callable[..., Any]) -> None:
        owner = getattr(given, "__self__", given)
        self.given = given
        self.module: Module | None = owner if isinstance(owner, Module) else None
        self.method: Any = getattr(given, "__func__", None)

    def identity(self) -> Hashable:
        """What it is made of at the moment beside its weights."""
        if self.module is None:
            return identity_of(self.given)
        return identity_beside(self.weights(), (mx.array,), self.module, self.method)

    def shapes(self) -> Hashable:
        """Shapes and dtypes of the weights."""
        return tuple(map(aval_of, self.weights()))

    def weights(self) -> list[mx.array]:
        """The arrays of a module; a function has none that are known."""
        return [] if self.module is None else arrays_in(self.module)

    def like(self) -> mx.array | None:
        """A floating-point array that it holds, if any can be found."""
        held = self.weights()
        if self.module is None:
            told = identity_of(self.given).segments()
            held = [value for value, _ in told if isinstance(value, mx.array)]
        return next((one for one in held if mx.issubdtype(one.dtype, mx.floating)), None)

    def call(self, weights: Sequence[Any], calls: "Calls", inputs: Inputs) -> Any:
        """The outputs with these weights, in inference mode; the calls of modules are noted."""
        run: Callable[..., Any] = self.given
        if self.module is not None:
            remaining = iter(weights)
            module = calls.copied(self.module, lambda array: next(remaining))
            method = self.method
            run = module if method is None else lambda *a, **k: method(module, *a, **k)
        positional, keyword = inputs.arguments()
        with observed(calls):
            return run(*positional, **keyword)


@final
@dataclass(frozen=True)
class Call:
    """A call of a module.

    Attributes:
        name: of the module, by its path; empty for the net itself.
        kind: its class.
        ours: whether that is one of mlx.nn's own.
        given: the arrays that it read.
        result: what it gave.
    """

    name: str
    kind: str
    ours: bool
    given: Any
    result: Any


@final
@dataclass(eq=False)
class Calls:
    """The calls of modules in one run of a net: those of them that are not copies are copied.

    Attributes:
        made: the calls, in the order in which they ended.
        copies: what runs in the place of each module.
        copied_from: the modules, so that none gets the identity of one that is gone.
        names: of the copies, by their identity.
        running: the copies that are running, outermost first.
    """

    made: list[Call] = field(default_factory=list)
    copies: Copies = field(default_factory=dict)
    copied_from: list[Module] = field(default_factory=list)
    names: dict[int, str] = field(default_factory=dict)
    running: list[Module] = field(default_factory=list)

    def copied(self, module: Module, change: Callable[[Any], Any] = lambda array: array) -> Module:
        self.copied_from.append(module)
        copy: Module = rebuilt(module, change, self.copies)
        for path, part in named_modules(module):
            self.names.setdefault(id(self.copies[id(part)]), path)
        return copy

    def call(self, function: Callable[..., Any], module: Module, *given: Any, **named: Any) -> Any:
        if id(module) not in self.names:
            module = self.copies.get(id(module)) or self.copied(module)
        # Its class may call the one that it is derived from.
        if self.running and self.running[-1] is module:
            return function(module, *given, **named)
        self.running.append(module)
        try:
            result = function(module, *given, **named)
        finally:
            self.running.pop()
        kind, name = type(module), self.names[id(module)]
        ours = kind.__module__.startswith("mlx.")
        self.made.append(Call(name, kind.__name__, ours, arrays_in((given, named)), result))
        return result


_noted: ContextVar[Calls | None] = ContextVar("calls", default=None)
"""Of each thread, the calls that are noted."""
_lock = RLock()


@contextmanager
def observed(calls: Calls) -> Iterator[None]:
    """Note the calls of all modules in this thread; others go on as if nothing were."""
    with _lock:
        kinds = [kind for kind in subclasses(Module) if "__call__" in vars(kind)]
        before = [vars(kind)["__call__"] for kind in kinds]
        token = _noted.set(calls)
        try:
            for kind, function in zip(kinds, before, strict=True):
                kind.__call__ = noted(function)
            yield
        finally:
            for kind, function in zip(kinds, before, strict=True):
                kind.__call__ = function
            _noted.reset(token)


def noted(function: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(function)
    def call(module: Module, *given: Any, **named: Any) -> Any:
        calls = _noted.get()
        if calls is None:
            return function(module, *given, **named)
        return calls.call(function, module, *given, **named)

    return call


def subclasses(kind: Any) -> Iterator[Any]:
    one: Any
    for one in dict.fromkeys(kind.__subclasses__()):
        yield one
        yield from subclasses(one)


def read_module(reading: Reading, module: Module) -> None:
    """Its class, attributes and parts; not whether it is training."""
    reading.attributes(module, frozenset({"_training", "_no_grad"}))
    for key, part in list(module.items()):
        reading.part(key, part)


def read_array(reading: Reading, array: mx.array) -> None:
    """By value, as arrays can be written into."""
    reading.told.append(str(array.dtype))
    reading.numbers(numbers(array))


def is_library(function: Any) -> bool:
    return is_installed(getattr(function, "__module__", ""))


def read_compiled(reading: Reading, function: Any) -> None:
    """What is compiled, as far as it shows; a library's own by identity."""
    if is_library(function) or not hasattr(function, "__code__"):
        reading.by_identity(function)
        return
    reading.parts(getattr(function, "__self__", None))
    reading.function(function)


reads(Module, read_module)
reads(mx.array, read_array)
reads(mx.Dtype, lambda reading, dtype: reading.told.append(str(dtype)))
reads(COMPILED, read_compiled)
