"""Which element, channel or region of a value is scored: an index of the axes behind the examples', one
for all examples or one for each."""

import operator
from collections.abc import Hashable, Sequence
from types import EllipsisType
from typing import Any, TypeAlias, TypeGuard

import numpy as np
from numpy.typing import NDArray

from backlight.by_value import is_array, on_host
from backlight.errors import TargetError
from backlight.values.arrays import AnyArray, Array, Arrays

IndexEntry: TypeAlias = int | slice | EllipsisType | NDArray[np.integer] | AnyArray
ElementIndex: TypeAlias = IndexEntry | tuple[IndexEntry, ...] | Sequence[int | tuple[int, ...]]
Entry: TypeAlias = slice | EllipsisType | NDArray[np.int64]
"""An entry in one form: integers as an array, shape () for all examples or (N,) with one for each."""


def entries(index: ElementIndex) -> tuple[Entry, ...]:
    """The entries of an index. A list is one index for each example.

    Raises:
        TargetError: something is neither an integer, nor an array of them, nor a slice, nor `...`.
    """
    given: Any = index
    if isinstance(index, list):
        rows = [one if isinstance(one, tuple) else (one,) for one in index]
        if len(set(map(len, rows))) != 1:
            raise refused(index, index)
        given = tuple(map(list, zip(*rows, strict=True)))
    return tuple(entry(one, index) for one in (given if isinstance(given, tuple) else (given,)))


def entry(one: object, index: ElementIndex) -> Entry:
    if isinstance(one, (slice, EllipsisType)):
        return one
    if isinstance(one, list) and all(hasattr(number, "__index__") for number in one):
        return np.array([operator.index(number) for number in one], dtype=np.int64)
    if is_array(one):
        host = on_host(one)
        if host.dtype.kind in "iu" and host.ndim <= 1:
            return host.astype(np.int64)
    elif hasattr(one, "__index__"):
        return np.asarray(operator.index(one), dtype=np.int64)
    raise refused(one, index)


def refused(one: object, index: ElementIndex) -> TargetError:
    inside = "" if one is index else f" in {index!r}"
    return TargetError(
        "An index is made of integers, slices, `...` and arrays of one integer for each example, or it "
        f"is a list of tuples of integers of one length, one for each example; got {one!r}{inside}."
    )


def form(index: ElementIndex) -> Hashable:
    """An index without its integers: they travel as operands."""
    return tuple("integer" if isinstance(one, np.ndarray) else repr(one) for one in entries(index))


def operands(index: ElementIndex) -> tuple[NDArray[np.int64], ...]:
    """The integers of a bound index, shape (N,) each."""
    return tuple(one for one in entries(index) if isinstance(one, np.ndarray))


def take(index: ElementIndex, rows: NDArray[np.int64]) -> ElementIndex:
    """A bound index for some of the examples."""
    found = tuple(one[rows] if isinstance(one, np.ndarray) else one for one in entries(index))
    return found if isinstance(index, tuple) else found[0]


def full(index: ElementIndex, axes: int) -> list[NDArray[np.int64] | slice]:
    """An index with one entry for each of the axes after the batch, `...` spelled out."""
    given = list(entries(index))
    dots = [at for at, one in enumerate(given) if one is Ellipsis]
    for at in dots[:1]:
        given[at : at + 1] = [slice(None)] * (axes - len(given) + 1)
    given += [slice(None)] * (axes - len(given))
    return [one for one in given if not isinstance(one, EllipsisType)]


def bound(index: ElementIndex, shape: tuple[int, ...], count: int, what: str) -> ElementIndex:
    """An index with an integer for each of `count` examples.

    Args:
        shape: of what it is for, batch axis included.
        what: that is, for messages.

    Raises:
        TargetError: it does not fit.
    """
    given, lengths = full(index, len(shape) - 1), shape[1:]
    for one in given:
        if isinstance(one, np.ndarray) and one.shape not in ((), (count,)):
            raise TargetError(
                f"An index for each example has {len(one)} of them, and there are {count} examples. "
                "One for all examples is a tuple, such as (3, 7); several explanations at once are a "
                "list of scores: [Output(index=(3, 7)), Output(index=(0, 1))]."
            )
    fits = len(given) == len(lengths) and all(
        bool(((one >= 0) & (one < length)).all())
        if isinstance(one, np.ndarray)
        else (one.step or 1) > 0 and len(range(*one.indices(length))) > 0
        for one, length in zip(given, lengths, strict=True)
    )
    if not fits:
        raise TargetError(
            f"Index {shown(index)} does not fit the {what} of shape {shape}: it addresses the axes after "
            "the batch, each integer at least 0 and below the axis's length, each slice forwards and "
            "not empty."
        )
    found = tuple(
        np.broadcast_to(one, (count,)) if isinstance(one, np.ndarray) else one
        for one in entries(index)
    )
    return found if isinstance(index, (tuple, list)) else found[0]


def pick(value: Array, index: ElementIndex, operands: Sequence[Array], arrays: Arrays) -> Array:
    """`value[n, *index]` of each example n, summed over what is left: shape (N,)."""
    given = full(index, value.ndim - 1)
    regions = [slice(None) if isinstance(one, np.ndarray) else one for one in given]
    if any(one != slice(None) for one in regions):
        value = value[(slice(None), *regions)]
    left = tuple(axis for axis, one in enumerate(given, start=1) if isinstance(one, slice))
    value = arrays.sum(value, axis=left) if left else value
    for integers in operands:
        places = arrays.reshape(integers, (-1, *(1,) * (value.ndim - 1)))
        value = arrays.take_along_axis(value, places, axis=1)[:, 0, ...]
    return value


def shown(index: ElementIndex) -> str:
    """An index in a few characters."""
    parts = [brief(one) if isinstance(one, np.ndarray) else repr(one) for one in entries(index)]
    if not isinstance(index, (tuple, list)):
        return parts[0]
    return f"({', '.join(parts)}{',' if len(parts) == 1 else ''})"


def brief(integers: int | Sequence[int] | NDArray[np.integer]) -> str:
    """Integers in a few characters: one number where all are equal."""
    array = np.asarray(integers)
    if array.ndim == 0 or (array.size and (array == array.flat[0]).all()):
        return str(int(array.flat[0]))
    listed = ", ".join(str(k) for k in array[:6])
    return f"[{listed}{', ...' if array.size > 6 else ''}]"


def is_index(one: object) -> TypeGuard[tuple[int, ...]]:
    """Whether it is a tuple of integers."""
    return isinstance(one, tuple) and all(
        hasattr(number, "__index__") and not is_array(number) for number in one
    )
