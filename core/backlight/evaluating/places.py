"""The places of a value: what metrics rank and replace, all channels of a place together."""

from dataclasses import dataclass
from math import prod
from typing import final

import numpy as np
from numpy.typing import NDArray

from backlight.errors import InputError
from backlight.explaining.objective import Objective
from backlight.values.arrays import shape_of
from backlight.values.tree import Tree, leaves


@final
@dataclass(frozen=True)
class LeafPlaces:
    """The places of one array of shape (N, *shape).

    Attributes:
        shape: of one example.
        channel_axis: the axis, counted with the examples', that holds a vector per place; None where
            each number is a place.
        is_grid: whether neighbours along the places' axes are neighbours in space or time.
    """

    shape: tuple[int, ...]
    channel_axis: int | None
    is_grid: bool

    @property
    def grid(self) -> tuple[int, ...]:
        """How many places there are along each axis that has places."""
        return tuple(side for axis, side in enumerate(self.shape, 1) if axis != self.channel_axis)

    @property
    def count(self) -> int:
        return prod(self.grid)

    def summed(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """One number per place, (n, count), from values (n, *shape) or (n, *grid)."""
        if values.shape[1:] == self.shape:
            if self.channel_axis is not None:
                values = values.sum(axis=self.channel_axis)
        elif values.shape[1:] != self.grid:
            raise InputError(
                f"A map of shape {values.shape[1:]} cannot be judged: its places are not those of a "
                f"value of shape {self.shape}, which are {self.grid}. Upsample it, or say at=... the "
                "inner value that it is of."
            )
        return values.reshape(len(values), self.count)

    def spread(self, places: NDArray[np.generic]) -> NDArray[np.generic]:
        """Numbers (..., count) so that they broadcast against values (..., *shape)."""
        lengths = [
            1 if axis == self.channel_axis else side for axis, side in enumerate(self.shape, 1)
        ]
        return places.reshape(*places.shape[:-1], *lengths)


@final
@dataclass(frozen=True)
class Places:
    """The places of a value that may have several arrays, one after the other."""

    parts: tuple[LeafPlaces, ...]

    @property
    def count(self) -> int:
        return sum(part.count for part in self.parts)

    def summed(self, values: Tree[NDArray[np.float64]]) -> NDArray[np.float64]:
        """One number per place, (n, count), of a map.

        Raises:
            InputError: the map has other places.
        """
        found = leaves(values)
        if len(found) != len(self.parts):
            raise InputError(
                f"A map of {len(found)} arrays cannot be judged: the value has {len(self.parts)}."
            )
        each = zip(self.parts, found, strict=True)
        return np.concatenate([part.summed(leaf) for part, leaf in each], axis=1)

    def split(self, places: NDArray[np.generic]) -> list[NDArray[np.generic]]:
        """Numbers (..., count) as one array (..., *shape) to broadcast for each of the value's."""
        ends = np.cumsum([part.count for part in self.parts])[:-1]
        pieces = np.split(places, ends, axis=-1)
        return [part.spread(piece) for part, piece in zip(self.parts, pieces, strict=True)]


def places_of(objective: Objective) -> Places:
    """The places of the value that an objective explains."""
    parts = []
    for leaf in leaves(objective.value):
        shape, layout = shape_of(leaf), objective.layout_of(leaf)
        axis = None if layout is None else layout.channel_axis
        if layout is None and objective.at is not None and len(shape) == 3:
            axis = 2  # tokens with their features
        grid = layout is not None and not layout.tokens
        parts.append(LeafPlaces(shape[1:], axis, grid))
    return Places(tuple(parts))
