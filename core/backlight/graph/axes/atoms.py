"""What the axes of values stand for: products of examples, places of the inputs, and whatever else.

An axis is a row-major product of factors, the outermost first. A factor is an `Atom`, or a `Joined`,
which has parts one after the other, as a class token before a grid has. An axis of length 1 has no
factors. Places are of one axis of one input: index i of an atom lies at offset + stride i, and where
several factors are of the same axis, their coordinates add up.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from math import isclose, prod
from typing import TypeAlias, final


@final
class Role(StrEnum):
    """What a factor of an axis counts."""

    EXAMPLES = "examples"
    PLACES = "places"
    OTHER = "other"
    """Channels, heads, and what else the net makes."""
    LOST = "lost"
    """It may be anything."""


InputAxis: TypeAlias = tuple[int, int]
"""Which input, and which of its axes."""


@final
@dataclass(frozen=True)
class Atom:
    """One factor of an axis.

    Attributes:
        role: what it counts.
        length: how many there are.
        axis: of places: of which axis of which input.
        stride: of places and examples: how far apart neighbours are there.
        offset: of places: where the first one is.
        way: of places: 0, but where a value has places of one input axis twice, as a matrix of all
            queries by all keys has. Coordinates add up within a way, and to both from way 0.
    """

    role: Role
    length: int
    axis: InputAxis = (0, 0)
    stride: float = 1.0
    offset: float = 0.0
    way: int = 0

    @property
    def middle(self) -> float:
        """The mean of its coordinates."""
        return self.offset + self.stride * (self.length - 1) / 2

    def split(self, inner: int) -> "tuple[Atom, Atom]":
        """The same as an outer factor and an inner one of this length."""
        outer = replace(self, length=self.length // inner, stride=self.stride * inner)
        return outer, replace(self, length=inner, offset=0.0)

    def fused(self, inner: "Atom") -> "Atom | None":
        """One atom for this one and the next factor inside of it; None where they are no row."""
        if self.role != inner.role:
            return None
        length = self.length * inner.length
        if self.role in (Role.OTHER, Role.LOST):
            return Atom(self.role, length)
        same = (self.axis, self.way) == (inner.axis, inner.way)
        if not same or not isclose(self.stride, inner.stride * inner.length):
            return None
        return replace(inner, length=length, offset=self.offset + inner.offset)


@final
@dataclass(frozen=True)
class Joined:
    """Parts of an axis that stand one after the other."""

    parts: "tuple[Axis, ...]"

    @property
    def length(self) -> int:
        return sum(map(length_of, self.parts))


Factor: TypeAlias = Atom | Joined
Axis: TypeAlias = tuple[Factor, ...]
Axes: TypeAlias = tuple[Axis, ...]
"""What each axis of one value stands for."""


def other(length: int) -> Axis:
    return () if length == 1 else (Atom(Role.OTHER, length),)


def lost(length: int) -> Axis:
    return () if length == 1 else (Atom(Role.LOST, length),)


def length_of(axis: Axis) -> int:
    return prod(factor.length for factor in axis)


def atoms_in(axes: Iterable[Axis]) -> Iterator[Atom]:
    """All atoms, those in parts included."""
    for axis in axes:
        for factor in axis:
            if isinstance(factor, Atom):
                yield factor
            else:
                yield from atoms_in(factor.parts)


def mapped(axis: Axis, change: Callable[[Atom], Atom]) -> Axis:
    """The axis with each atom changed, those in parts included."""
    return tuple(
        change(factor)
        if isinstance(factor, Atom)
        else Joined(tuple(mapped(part, change) for part in factor.parts))
        for factor in axis
    )


def has(axis: Axis, role: Role) -> bool:
    return any(atom.role is role for atom in atoms_in((axis,)))


def only(axis: Axis) -> Atom | None:
    """The one atom that an axis consists of; None for products, parts and length 1."""
    if len(axis) == 1 and isinstance(axis[0], Atom):
        return axis[0]
    return None


def fused(axis: Iterable[Factor]) -> Axis:
    """The axis with neighbours made one where they are a row."""
    found: list[Factor] = []
    for factor in axis:
        last = found[-1] if found else None
        one = last.fused(factor) if isinstance(last, Atom) and isinstance(factor, Atom) else None
        if one is None:
            found.append(factor)
        else:
            found[-1] = one
    return tuple(found)


def regrouped(axes: Axes, lengths: Sequence[int]) -> Axes:
    """The same numbers in the same order under other axes, as reshaping gives them."""
    if 0 in lengths:
        return tuple(map(lost, lengths))
    found: list[Axis] = []
    for before, after in blocks(list(map(length_of, axes)), lengths):
        factors = [factor for axis in axes[before] for factor in axis]
        found += _divided(factors, lengths[after])
    return tuple(found)


def blocks(given: Sequence[int], wanted: Sequence[int]) -> Iterator[tuple[slice, slice]]:
    """The fewest axes each of two shapes of one size that hold the same numbers, one after the other."""
    start, first = 0, 0
    while start < len(given) or first < len(wanted):
        stop, last = min(start + 1, len(given)), min(first + 1, len(wanted))
        while (size := prod(given[start:stop])) != (other_size := prod(wanted[first:last])):
            if last < len(wanted) and (size > other_size or stop == len(given)):
                last += 1
            elif stop < len(given):
                stop += 1
            else:
                raise ValueError(f"{tuple(given)} cannot be reshaped to {tuple(wanted)}.")
        yield slice(start, stop), slice(first, last)
        start, first = stop, last


def _divided(factors: Sequence[Factor], sizes: Sequence[int]) -> list[Axis]:
    """Factors handed out to axes of these lengths; all lost where they do not go into them."""
    rest, found = list(factors), []
    for size in sizes:
        axis: list[Factor] = []
        missing = size
        while missing > 1:
            factor = rest.pop(0)
            if missing % factor.length == 0:
                axis.append(factor)
                missing //= factor.length
            elif isinstance(factor, Atom) and factor.length % missing == 0:
                outer, inner = factor.split(factor.length // missing)
                axis.append(outer)
                rest.insert(0, inner)
                missing = 1
            else:
                return [lost(one) for one in sizes]
        found.append(fused(axis))
    return found


def joined(parts: Iterable[Axis]) -> Axis:
    """Parts one after the other as one axis: places that go on are one atom, also where they are
    rotated, the end first."""
    flat: list[Axis] = []
    for part in parts:
        whole = part[0] if len(part) == 1 else None
        for piece in whole.parts if isinstance(whole, Joined) else (part,):
            one = _continued(flat[-1], piece) if flat else None
            if one is None:
                flat.append(piece)
            else:
                flat[-1] = one
    rotated = _rotated(flat)
    if rotated is not None:
        return rotated
    return flat[0] if len(flat) == 1 else (Joined(tuple(flat)),)


def _continued(before: Axis, after: Axis) -> Axis | None:
    """One row of both, if the second goes on where the first ends."""
    if _plain(before) and _plain(after):
        return other(length_of(before) + length_of(after))
    one, two = only(before), only(after)
    if one is None or two is None or one.role != two.role:
        return None
    length = one.length + two.length
    if one.role is Role.LOST:
        return lost(length)
    same = (one.axis, one.way, one.stride) == (two.axis, two.way, two.stride)
    if same and isclose(two.offset, one.offset + one.stride * one.length, abs_tol=1e-6):
        return (replace(one, length=length),)
    return None


def _plain(axis: Axis) -> bool:
    return all(isinstance(factor, Atom) and factor.role is Role.OTHER for factor in axis)


def _rotated(parts: Sequence[Axis]) -> Axis | None:
    """A row whose end stands before its start: as `roll` leaves it, the coordinates go on."""
    if len(parts) != 2:
        return None
    end, start = only(parts[0]), only(parts[1])
    if end is None or start is None or end.role is not Role.PLACES:
        return None
    if _continued(parts[1], parts[0]) is None:
        return None
    return (replace(end, length=end.length + start.length),)
