"""Frozen dataclasses whose fields may hold arrays: short to show, and equal where their numbers are."""

import re
from collections.abc import Hashable, Iterable, Iterator
from dataclasses import fields
from inspect import get_annotations, isroutine

import numpy as np
from numpy.typing import NDArray

ADDRESS = re.compile(" at 0x[0-9a-fA-F]+")
"""Where something is in memory, which is elsewhere in each run."""

FEW = 6
"""How many numbers or things are short_repr one by one."""


class ByValue:
    """Gives the dataclasses that inherit it a `repr`, an `==` and a `hash` that know arrays.

    Arrays, NumPy's or a framework's, are short_repr as `array(float32, (1, 28, 28), mean 0.13)`, and are
    equal where their dtype, shape and numbers are.
    """

    def __init_subclass__(cls) -> None:
        # Into the class itself: what `dataclass` finds there it leaves.
        super().__init_subclass__()
        for name in ("__repr__", "__eq__", "__hash__"):
            if name not in cls.__dict__:
                setattr(cls, name, getattr(ByValue, name))

    def __repr__(self) -> str:
        names = own_first(type(self), [one.name for one in fields(self)])  # type: ignore[arg-type]
        shares = (f"{name}={short_repr(getattr(self, name))}" for name in names)
        return f"{type(self).__qualname__}({', '.join(shares)})"

    def __eq__(self, other: object) -> bool:
        if type(self) is not type(other):
            return NotImplemented
        return numbers_of(self) == numbers_of(other)

    def __hash__(self) -> int:
        return hash((type(self), numbers_of(self)))


def own_first(made: object, names: Iterable[str]) -> list[str]:
    """Names of what something is made from; of a class, the fields that it declares itself first."""
    own = list(get_annotations(made)) if isinstance(made, type) else []
    return sorted(names, key=lambda name: own.index(name) if name in own else len(own))


def is_array(value: object) -> bool:
    """Whether it is an array, NumPy's or a framework's; a single number of NumPy's is none."""
    named = all(hasattr(value, name) for name in ("shape", "dtype", "ndim"))
    return named and not isinstance(value, np.generic)


def on_host(array: object) -> NDArray[np.generic]:
    """The numbers of an array of any framework."""
    detach = getattr(array, "detach", None)
    if detach is None:
        return np.asarray(array)
    tensor = detach().cpu()
    # NumPy has no bfloat16 of its own.
    return np.asarray(tensor.float() if "bfloat16" in str(tensor.dtype) else tensor)


def short_repr(value: object) -> str:
    """As `repr`, but short where there are arrays or many things, and functions by their names: the same
    in each run."""
    if is_array(value):
        host = on_host(value)
        name = dtype_of(value)
        if host.size <= FEW:
            return f"array({name}, {host.tolist()})"
        mean = host.mean(dtype=np.float64) if host.dtype.kind not in "OSUMm" else float("nan")
        return f"array({name}, {host.shape}, mean {mean:.2g})"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key!r}: {short_repr(one)}' for key, one in value.items())}}}"
    if isinstance(value, (tuple, list)):
        listed = [short_repr(one) for one in value[:FEW]]
        listed += [f"... {len(value)} in all"] if len(value) > FEW else []
        listed += [""] if isinstance(value, tuple) and len(value) == 1 else []
        inside = ", ".join(listed).rstrip(" ")
        return f"({inside})" if isinstance(value, tuple) else f"[{inside}]"
    return value.__name__ if isroutine(value) else ADDRESS.sub("", repr(value))


def dtype_of(array: object) -> str:
    dtype = array.dtype  # type: ignore[attr-defined]
    return getattr(dtype, "name", None) or str(dtype).removeprefix("torch.")


def arrays_of(value: object) -> Iterator[NDArray[np.generic]]:
    """The arrays in it, on the host, in order: what a short repr does not tell."""
    if isinstance(value, ByValue):
        for one in fields(value):  # type: ignore[arg-type]
            yield from arrays_of(getattr(value, one.name))
    elif is_array(value):
        yield on_host(value)
    elif isinstance(value, (dict, tuple, list)):
        for part in value.values() if isinstance(value, dict) else value:
            yield from arrays_of(part)


def numbers_of(value: object) -> Hashable:
    """What makes it equal to another, arrays as bytes."""
    if isinstance(value, ByValue):
        names = (one.name for one in fields(value))  # type: ignore[arg-type]
        return type(value), tuple(numbers_of(getattr(value, name)) for name in names)
    if is_array(value):
        host = np.ascontiguousarray(on_host(value))
        told = repr(host.tolist()) if host.dtype == np.object_ else host.tobytes()  # not addresses
        return dtype_of(value), host.shape, told
    if isinstance(value, dict):
        return frozenset((key, numbers_of(one)) for key, one in value.items())
    if isinstance(value, (tuple, list)):
        return type(value), tuple(map(numbers_of, value))
    return value
