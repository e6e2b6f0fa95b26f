"""What a plain function reads beside its arguments, in a form that differs when that changes.

A trace freezes closed-over arrays, globals and attributes; the fingerprint is part of its key.
"""

import functools
import hashlib
import sys
from collections import deque
from collections.abc import Hashable, Iterable
from enum import Enum
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any, TypeAlias, cast, final

import jax
import numpy as np

Path: TypeAlias = tuple[Hashable, ...]

DEPTH = 12
"""How many attributes, keys and calls are followed one after another."""

PARTS = 10_000
"""How many parts are looked at."""


@final
class Same:
    """An object compared by identity, and kept, so that no other can get its id."""

    __slots__ = ("value",)

    def __init__(self, value: object) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Same) and self.value is other.value

    def __hash__(self) -> int:
        return id(self.value)


@final
class Fingerprint:
    """What was found, by path."""

    __slots__ = ("hash", "parts")

    def __init__(self, parts: dict[Path, Hashable]) -> None:
        self.parts = parts
        self.hash = hash(tuple(parts.items()))

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Fingerprint) and self.hash == other.hash and self.parts == other.parts
        )

    def __hash__(self) -> int:
        return self.hash


@final
class Watched:
    """Objects whose fingerprint is taken again and again."""

    def __init__(self, *roots: object) -> None:
        self.roots = roots
        self.own: frozenset[Path] = frozenset()
        """What calling the function changes by itself, such as a counter of its calls: no weights."""

    def read(self) -> Fingerprint:
        walk = Walk(self.own)
        for number, root in enumerate(self.roots):
            walk.visit((number,), root)
        return Fingerprint(walk.parts)

    def settled(self, before: Fingerprint) -> Fingerprint:
        """The fingerprint after a call, without what the call itself changed."""
        after = self.read()
        if after == before:
            return after
        changed = {path for path, _ in before.parts.items() ^ after.parts.items()}
        self.own |= changed
        return self.read()


@final
class Walk:
    """One reading of everything that can be reached."""

    def __init__(self, skipped: frozenset[Path]) -> None:
        self.skipped = skipped
        self.parts: dict[Path, Hashable] = {}
        self.seen: dict[int, int] = {}

    def visit(self, path: Path, value: Any) -> None:
        if path in self.skipped or len(self.parts) > PARTS:
            return
        if value is None or isinstance(value, (bool, int, str, bytes)):
            self.parts[path] = (type(value), value)
        elif isinstance(value, (float, complex)):
            self.parts[path] = (type(value), repr(value))  # in which NaN equals itself
        elif isinstance(value, (np.ndarray, np.generic)):
            self.parts[path] = digest(np.asarray(value))
        elif isinstance(value, ModuleType):
            return
        elif isinstance(value, (jax.Array, type, Enum)) or len(path) > DEPTH:
            self.parts[path] = Same(value)
        elif id(value) in self.seen:
            self.parts[path] = ("seen", self.seen[id(value)])
        else:
            self.seen[id(value)] = len(self.seen)
            self.open(path, value)

    def open(self, path: Path, value: Any) -> None:
        """Something with parts."""
        nnx, keras = sys.modules.get("flax.nnx"), sys.modules.get("keras")
        linen = sys.modules.get("flax.linen")
        if isinstance(value, dict):
            self.each(path, type(value), value.items())
        elif isinstance(value, (list, tuple, deque)):
            self.each(path, type(value), enumerate(value))
        elif isinstance(value, (set, frozenset)):
            self.parts[path] = (type(value), frozenset(value))
        elif isinstance(value, functools.partial):
            self.each(path, functools.partial, enumerate((value.func, value.args, value.keywords)))
        elif isinstance(value, MethodType):
            self.each(path, MethodType, enumerate((value.__self__, value.__func__)))
        elif isinstance(value, FunctionType):
            self.each(path, Same(value.__code__), reads(value))
        elif nnx is not None and isinstance(value, nnx.Module):
            graph, state = nnx.split(value)
            self.each(path, graph, enumerate(jax.tree.leaves(state)))
        elif keras is not None and isinstance(value, keras.Layer):
            self.each(path, Same(value), enumerate(each.value for each in value.variables))
        elif (
            (linen is not None and isinstance(value, linen.Module))
            or package(type(value)) in ("jax", "jaxlib")
            or not hasattr(value, "__dict__")
        ):  # what does not change, or cannot be seen into, as a jitted function
            self.parts[path] = Same(value)
        else:
            kind = cast(Hashable, type(value))
            self.each(path, kind, vars(value).items())
            call = getattr(type(value), "__call__", None)  # noqa: B004
            if isinstance(call, FunctionType):
                self.visit((*path, "()"), call)

    def each(self, path: Path, what: Hashable, parts: Iterable[tuple[Hashable, object]]) -> None:
        held = list(parts)
        self.parts[path] = (what, len(held))
        for name, part in held:
            self.visit((*path, name), part)


def digest(array: np.ndarray[Any, Any]) -> Hashable:
    if array.dtype.hasobject:
        return Same(array)
    data = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
    return array.shape, array.dtype.str, hashlib.sha1(data.data, usedforsecurity=False).digest()


def package(thing: Any) -> str:
    return str(getattr(thing, "__module__", "")).partition(".")[0]


def is_library(module: dict[str, Any]) -> bool:
    """Whether a module is installed rather than written here: its globals are no weights."""
    if str(module.get("__name__")).partition(".")[0] in sys.stdlib_module_names:
        return True
    return not {"site-packages", "dist-packages"}.isdisjoint(
        str(module.get("__file__")).replace("\\", "/").split("/")
    )


def reads(function: FunctionType) -> Iterable[tuple[Hashable, object]]:
    """What a function reads beside its arguments: defaults, attributes, its closure, globals."""
    yield "defaults", (function.__defaults__, function.__kwdefaults__)
    for name, value in vars(function).items():
        if name != "__wrapped__":
            yield name, value
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            yield name, cell.cell_contents
        except ValueError:  # not filled yet
            continue
    known = function.__globals__
    if is_library(known):
        return
    names = global_names(function.__code__)
    for name in names:
        value = known.get(name)
        if name in known and not isinstance(value, ModuleType):
            yield ("global", name), value
        elif isinstance(value, ModuleType) and not is_library(held := vars(value)):
            yield from ((("global", name, part), held[part]) for part in names if part in held)


@functools.lru_cache(maxsize=1024)
def global_names(code: CodeType) -> tuple[str, ...]:
    """The names that code may look up among globals, functions defined in it included."""
    inner = [
        name for part in code.co_consts if isinstance(part, CodeType) for name in global_names(part)
    ]
    return tuple(dict.fromkeys((*code.co_names, *inner)))
