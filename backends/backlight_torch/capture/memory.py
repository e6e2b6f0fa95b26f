"""Which arrays share memory, and what was written into it."""

import weakref
from dataclasses import dataclass, field
from math import prod
from typing import TypeAlias, final

import numpy as np
import torch
from numpy.typing import NDArray
from torch.multiprocessing.reductions import StorageWeakRef

Geometry: TypeAlias = tuple[tuple[int, ...], tuple[int, ...], int]
"""Shape, strides and offset of an array in its memory."""


@final
@dataclass(eq=False, slots=True)
class Memory:
    """Memory that arrays which count are in.

    Attributes:
        held: keeps its address from being used again, though not the memory itself.
        whole: the value that was put there when it was made, and how it lies there.
        writes: values that were written into it since, and where.
    """

    held: StorageWeakRef | None
    whole: tuple[int, Geometry] | None
    writes: list[tuple[int, Geometry]] = field(default_factory=list)

    @classmethod
    def of(cls, array: torch.Tensor, whole: tuple[int, Geometry] | None) -> "Memory":
        strided = array.layout is torch.strided
        held = StorageWeakRef(array.untyped_storage()) if strided else None  # type: ignore[no-untyped-call]
        return cls(held, whole)


@final
@dataclass(eq=False, slots=True)
class Known:
    """An array that counts: which value it is, where only the first `seen` writes count."""

    array: "weakref.ref[torch.Tensor]"
    value: int
    memory: Memory
    seen: int


def address(array: torch.Tensor) -> int:
    """What arrays share that are views of each other."""
    strided = array.layout is torch.strided
    return int(array.untyped_storage()._cdata) if strided else -id(array)


def version(array: torch.Tensor) -> int:
    """How often an array was written into. Those made in inference mode do not count it."""
    return 0 if array.is_inference() else array._version


def geometry(array: torch.Tensor) -> Geometry:
    return tuple(array.shape), tuple(array.stride()), int(array.storage_offset())


def start_of(part: Geometry, whole: Geometry) -> tuple[int, ...] | None:
    """Where a part begins in an array, on each axis; None where it is no block of it."""
    (_, part_strides, part_offset), (shape, strides, offset) = part, whole
    if part_strides != strides:
        return None
    left, starts = part_offset - offset, [0] * len(shape)
    for axis in sorted(range(len(shape)), key=lambda axis: -strides[axis]):
        if strides[axis] > 0 and shape[axis] > 1:
            starts[axis], left = divmod(left, strides[axis])
    return tuple(starts) if left == 0 and all(start >= 0 for start in starts) else None


def block_of(part: Geometry, whole: Geometry) -> Geometry:
    """A part with an axis of length 1 for each of the whole's that it has no stride of."""
    lengths, found = list(zip(*part[:2], strict=True)), []
    for stride in whole[1]:
        found.append(lengths.pop(0)[0] if lengths and lengths[0][1] == stride else 1)
    return part if lengths else (tuple(found), whole[1], part[2])


def index_of(part: Geometry, whole: Geometry) -> NDArray[np.int64]:
    """Which numbers of an array, counted in its order, another one in its memory has; -1 for those that
    it has not."""
    numbers = np.full(1 + max(end_of(part), end_of(whole)), -1)
    own, other = (
        np.ndarray(shape, numbers.dtype, numbers, 8 * offset, [8 * one for one in strides])
        for shape, strides, offset in (whole, part)
    )
    own[...] = np.arange(own.size).reshape(own.shape)
    return other.copy()


def holds(whole: Geometry, part: Geometry) -> bool:
    """Whether an array has all numbers of another one in its memory."""
    within = whole[2] <= part[2] and end_of(part) <= end_of(whole)
    return within and bool((index_of(part, whole) >= 0).all())


def apart(one: Geometry, other: Geometry) -> bool:
    """Whether two arrays in the same memory certainly have no number in common."""
    numbers = np.empty(1 + max(end_of(one), end_of(other)), np.bool)
    first, second = (
        np.ndarray(shape, np.bool, numbers, offset, strides)
        for shape, strides, offset in (one, other)
    )
    try:
        return not np.shares_memory(first, second, max_work=10_000)  # type: ignore[arg-type]
    except np.exceptions.TooHardError:
        return False


def end_of(one: Geometry) -> int:
    """Where the last number lies."""
    shape, strides, offset = one
    return offset + sum((n - 1) * stride for n, stride in zip(shape, strides, strict=True) if n)


def same_numbers(one: Geometry, other: Geometry) -> bool:
    """Whether two arrays hold the same numbers in the same order, in shapes of their own."""
    return one[2] == other[2] and prod(one[0]) == prod(other[0]) and dense(one) and dense(other)


def dense(one: Geometry) -> bool:
    step = 1
    for length, stride in zip(reversed(one[0]), reversed(one[1]), strict=True):
        if length != 1 and stride != step:
            return False
        step *= length
    return True
