"""How places of an input lie in a value: the grid that they form, and how it is read out of the value."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import isclose, prod
from typing import final

from backlight.graph.axes.atoms import Atom, Axes, Axis, Factor, InputAxis, Joined, Role, atoms_in
from backlight.values.arrays import Array, Arrays, shape_of


@final
@dataclass(frozen=True)
class Line:
    """Places along one axis of an input.

    Attributes:
        axis: of the input.
        length: how many there are.
        stride: how many places of the input lie between neighbours.
        offset: where in the input the middle of what the first one sees is.
    """

    axis: int
    length: int
    stride: float
    offset: float


@final
@dataclass(frozen=True)
class Grid:
    """The places of an input's axes that a value has, and how to read them.

    Attributes:
        lines: one for each axis of the input, in their order.
        starts, lengths: which range of each axis but the examples' to take: class tokens are left out.
        factors: what each axis of the value is then divided into, all in one row.
        order: of the factors: examples, then those of each line, then all else.
        input: which of the inputs, by its position.
    """

    lines: tuple[Line, ...]
    starts: tuple[int, ...]
    lengths: tuple[int, ...]
    factors: tuple[int, ...]
    order: tuple[int, ...]
    input: int = 0

    @property
    def shape(self) -> tuple[int, ...]:
        """How many places there are along each axis of the input."""
        return tuple(line.length for line in self.lines)

    def read(self, value: Array, arrays: Arrays) -> Array:
        """The value (N, ...) as (N, *places, channels)."""
        count, *_ = shape_of(value)
        ranges = zip(self.starts, self.lengths, strict=True)
        parts = tuple(slice(start, start + length) for start, length in ranges)
        divided = arrays.reshape(value[(slice(None), *parts)], (count, *self.factors))
        rest = prod(self.factors) // prod(self.shape)
        return arrays.reshape(arrays.permute_dims(divided, self.order), (count, *self.shape, rest))


def grid_of(axes: Axes, wanted: Sequence[InputAxis]) -> Grid | None:
    """How places along these axes of an input lie in a value whose examples are on axis 0; None where
    they do not form one whole grid there, or it has not all of them, or no axes are wanted."""
    if not axes or not wanted or not _are_examples(axes[0]):
        return None
    starts, lengths, factors = list[int](), list[int](), list[Factor]()
    for axis in axes[1:]:
        start, part = _part(axis, wanted)
        starts.append(start)
        lengths.append(prod(factor.length for factor in part))
        factors += part
    lines: list[Line] = []
    order: list[int] = []
    for key in wanted:
        here = [
            (place, factor)
            for place, factor in enumerate(factors)
            if isinstance(factor, Atom) and factor.role is Role.PLACES and factor.axis == key
        ]
        here.sort(key=lambda one: -abs(one[1].stride))
        line = _line([atom for _, atom in here])
        if line is None or line.stride <= 0:
            return None
        lines.append(line)
        order += [place for place, _ in here]
    if sum(atom.role is Role.PLACES and atom.axis in wanted for atom in _flat(factors)) != len(
        order
    ):
        return None
    order += [place for place in range(len(factors)) if place not in order]
    return Grid(
        tuple(lines),
        tuple(starts),
        tuple(lengths),
        tuple(factor.length for factor in factors),
        (0, *(1 + place for place in order)),
        wanted[0][0],
    )


def _are_examples(axis: Axis) -> bool:
    return len(axis) == 1 and isinstance(axis[0], Atom) and axis[0].role is Role.EXAMPLES


def _flat(factors: Sequence[Factor]) -> list[Atom]:
    return list(atoms_in((tuple(factors),)))


def _part(axis: Axis, wanted: Sequence[InputAxis]) -> tuple[int, Axis]:
    """The part of an axis that has the places, and where it starts."""
    if len(axis) != 1 or not isinstance(axis[0], Joined):
        return 0, axis
    start, found = 0, list[tuple[int, Axis]]()
    for part in axis[0].parts:
        if any(atom.role is Role.PLACES and atom.axis in wanted for atom in atoms_in((part,))):
            found.append((start, part))
        start += prod(factor.length for factor in part)
    return found[0] if len(found) == 1 else (0, axis)


def _line(atoms: Sequence[Atom]) -> Line | None:
    """One row of places, from its factors, the outermost first."""
    if not atoms or any(atom.way for atom in atoms):
        return None
    for outer, inner in pairwise(atoms):
        if not isclose(outer.stride, inner.stride * inner.length):
            return None
    return Line(
        atoms[0].axis[1],
        prod(atom.length for atom in atoms),
        atoms[-1].stride,
        sum(atom.offset for atom in atoms),
    )
