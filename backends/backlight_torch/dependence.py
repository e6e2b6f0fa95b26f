"""What is known of arrays that depend on the explained value."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeAlias, final

from backlight.model import Cut

Leaves: TypeAlias = frozenset[int]
"""Which leaves of the explained value, by number."""
NONE: Leaves = frozenset()


@final
@dataclass(frozen=True)
class Stop:
    """An operation that derivatives may not pass.

    Attributes:
        cut: what and where it is.
        number: its place in the order of operations.
        comparing: whether it compares, or finds by comparing, or only makes numbers safe.
    """

    cut: Cut
    number: int
    comparing: bool = False


Stops: TypeAlias = Mapping[Stop, Leaves]
"""Where ways were cut, and from which leaves."""


@final
@dataclass(frozen=True)
class Made:
    """What is known of an array.

    Attributes:
        depends: what it was computed from.
        passing: where derivatives of what it was computed from lead to: of it, too, unless `maker`
            let none pass.
        stops: where ways to it were cut before.
        maker: the operation that it is the result of.
        highest: whether it is a maximum over axes, perhaps moved.
        written: whether it was written into.
    """

    depends: Leaves
    passing: Leaves
    stops: Stops
    maker: Stop
    highest: bool = False
    written: bool = False


@final
@dataclass
class Reading:
    """What goes into an operation: as of `Made`, with what derivatives do lead to."""

    depends: Leaves = NONE
    reached: Leaves = NONE
    stops: dict[Stop, Leaves] = field(default_factory=dict)
    highest: bool = False


def merged(before: Made, made: Made) -> Made:
    """What an array is after something was written into its memory."""
    return replace(
        before if before.maker.cut.type == "detach" else made,
        depends=before.depends | made.depends,
        passing=before.passing | made.passing,
        stops=united([before.stops, made.stops]),
    )


def softened(reading: Reading) -> Reading:
    """A maximum that is subtracted, or added again, only makes numbers safe."""
    stops = united({replace(one, comparing=True): w} for one, w in reading.stops.items())
    return replace(reading, stops=stops)


def united(several: Iterable[Stops]) -> dict[Stop, Leaves]:
    found: dict[Stop, Leaves] = {}
    for stops in several:
        for stop, where in stops.items():
            found[stop] = found.get(stop, NONE) | where
    return found
