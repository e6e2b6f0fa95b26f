"""Features of places: the cells of a grid, windows of one size, and the channels."""

from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from backlight.errors import HyperParameterError, InputError, is_whole
from backlight.features.features import NOWHERE, Features, Labels, Part, layout_of, over_places


@final
@dataclass(frozen=True, init=False, repr=False)
class Grid(Features):
    """Cells of a grid over the places, all channels of a place together.

    `Grid(16, 16)` has 16 rows and 16 columns, `Grid(32)` 32 stretches of a signal, `Grid(8)` 8 along each
    axis of a picture. Cells are as equal as whole numbers of places allow. Class tokens belong to none.

    Args:
        sides: how many cells there are along each axis of the places, or one number for all.

    Raises:
        HyperParameterError: a number below 1, or none; later, more cells than places.
    """

    sides: tuple[int, ...]

    def __init__(self, *sides: int):
        object.__setattr__(self, "sides", checked(self, "sides", sides))

    def __repr__(self) -> str:
        return f"Grid({', '.join(map(str, self.sides))})"

    def label(self, part: Part) -> Labels:
        grid = layout_of(part, self).grid
        sides = per_axis(self, "cells", self.sides, grid)
        lines = [np.arange(side) * cells // side for side, cells in zip(grid, sides, strict=True)]
        return over_places(part, crossed(lines, sides), cell_names(sides))


@final
@dataclass(frozen=True, init=False, repr=False)
class Windows(Features):
    """Windows of one size beside each other, all channels of a place together.

    `Windows(16, 16)` has 16 rows and 16 columns each, `Windows(50)` stretches of 50 samples of a signal.
    The last of a line is cut off at the edge. Windows that overlap are no features, as each number
    belongs to at most one: they are those of the technique Occlusion.

    Args:
        size: the sides of a window in places, or one number for all axes.
        stride: from one window to the next, at least the window's side; what lies between belongs to no
            feature. By default the side.

    Raises:
        HyperParameterError: a number below 1, or none; a stride smaller than a side; later, a window that
            is larger than the value.
    """

    size: tuple[int, ...]
    stride: tuple[int, ...]

    def __init__(self, *size: int, stride: int | tuple[int, ...] | None = None):
        object.__setattr__(self, "size", checked(self, "size", size))
        steps = self.size if stride is None else stride if isinstance(stride, tuple) else (stride,)
        steps = checked(self, "stride", steps)
        steps = steps * len(self.size) if len(steps) == 1 else steps
        if len(steps) != len(self.size) or any(
            a < b for a, b in zip(steps, self.size, strict=True)
        ):
            raise HyperParameterError(
                f"Windows.stride must be one number or one for each side, at least the sides "
                f"{self.size}, as windows that overlap are no features; got {stride!r}. Occlusion "
                "covers windows that overlap."
            )
        object.__setattr__(self, "stride", steps)

    def __repr__(self) -> str:
        stride = "" if self.stride == self.size else f", stride={self.stride}"
        return f"Windows({', '.join(map(str, self.size))}{stride})"

    def label(self, part: Part) -> Labels:
        grid = layout_of(part, self).grid
        sizes = per_axis(self, "places", self.size, grid)
        strides = self.stride * len(sizes) if len(self.stride) == 1 else self.stride
        lines = []
        for side, size, stride in zip(grid, sizes, strides, strict=True):
            place = np.arange(side)
            lines.append(np.where(place % stride < size, place // stride, NOWHERE))
        counts = tuple(int(line.max()) + 1 for line in lines)
        return over_places(part, crossed(lines, counts), cell_names(counts))


@final
@dataclass(frozen=True)
class Channels(Features):
    """Each channel, all of its places together: the colours of a picture, the units of a feature map."""

    def label(self, part: Part) -> Labels:
        layout = layout_of(part, self)
        if layout.channel_axis is None:
            raise InputError(f"A value of shape {part.shape} has places only, and no channels.")
        count = part.shape[layout.channel_axis]
        lengths = [count if axis == layout.channel_axis else 1 for axis in range(len(part.shape))]
        notes = () if part.guess is None else (part.guess,)
        names = tuple(f"channel {one}" for one in range(count))
        return Labels(np.arange(count).reshape(lengths), names, notes)


def checked(who: Features, field: str, given: tuple[int, ...]) -> tuple[int, ...]:
    if not given or not all(is_whole(one) and one >= 1 for one in given):
        raise HyperParameterError(
            f"{type(who).__name__}.{field} must be at least 1 along each axis, got {given!r}."
        )
    return tuple(int(one) for one in given)


def per_axis(
    who: Features, what: str, given: tuple[int, ...], grid: tuple[int, ...]
) -> tuple[int, ...]:
    """One number for each axis of the places, of which there are enough."""
    found = given * len(grid) if len(given) == 1 else given
    if len(found) != len(grid) or any(a > b for a, b in zip(found, grid, strict=True)):
        raise HyperParameterError(
            f"{who!r} does not fit: the value has {' x '.join(map(str, grid))} places, and {what} must "
            "be said as one number or one for each of their axes, at most so many."
        )
    return found


def crossed(lines: list[NDArray[np.int64]], counts: tuple[int, ...]) -> NDArray[np.int64]:
    """Labels of a grid from those along each of its axes, numbered row by row."""
    labels = np.zeros((1,) * len(lines), dtype=np.int64)
    somewhere = np.ones((1,) * len(lines), dtype=np.bool_)
    for axis, (line, count) in enumerate(zip(lines, counts, strict=True)):
        shaped = line.reshape([-1 if axis == other else 1 for other in range(len(lines))])
        labels = labels * count + shaped
        somewhere = somewhere & (shaped != NOWHERE)
    return np.where(somewhere, labels, NOWHERE)


def cell_names(counts: tuple[int, ...]) -> tuple[str, ...]:
    """`cell 3` along one axis, `cell (0, 3)` along several."""
    if len(counts) == 1:
        return tuple(f"cell {one}" for one in range(counts[0]))
    return tuple(f"cell {tuple(map(int, index))}" for index in np.ndindex(*counts))
