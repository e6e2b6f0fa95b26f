"""A map over its picture, of any input that has places along two axes or along three."""

from dataclasses import dataclass
from math import ceil, sqrt
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from backlight import Attribution
from backlight.errors import HyperParameterError, InputError
from backlight.values.arrays import Channels
from backlight.values.layout import InputChannels, Layout, input_layout, layout_with
from backlight_pictures.layers import Signs
from backlight_pictures.maps import reduction_of, to_maps
from backlight_pictures.stored import shown
from backlight_plots.input_values import InputValues, checked_example, checked_most, values_of

MOST_SLICES = 9


@final
@dataclass(frozen=True, eq=False)
class Map:
    """One number per place, and what lies below.

    Attributes:
        values: (H, W).
        picture: uint8, (h, w) grey or (h, w, 3) of the same extent; None where it was not kept.
        names: of parts of the map, by the place (row, column) of their upper left corner.
    """

    values: NDArray[np.float64]
    picture: NDArray[np.uint8] | None
    names: dict[tuple[int, int], str]

    def signed(self, signs: Signs) -> NDArray[np.float64]:
        """The values of these signs, the others 0."""
        if signs not in ("both", "positive", "negative"):
            raise HyperParameterError(
                f"signs must be 'both', 'positive' or 'negative', got {signs!r}."
            )
        if signs == "both":
            return self.values
        return self.values * (self.values > 0 if signs == "positive" else self.values < 0)


def picture_map(attribution: Attribution[Any], example: int, input: str | None) -> Map:
    """
    Raises:
        BacklightError: there is no such example or input, or its places are not along two axes.
    """
    one = values_of(attribution, input)
    row = checked_example(example, len(one.values))
    side = model_side(attribution)
    values = one.values[row : row + 1]
    layout = one.layout or input_layout(values.shape, side)
    if layout is None or len(layout.grid) != 2:
        raise InputError(f"Values of shape {one.values.shape} have no places of a picture.")
    own = to_maps(values, layout, reduction_of(values, layout))[0]
    given = one.given(row)
    picture = None if given is None else pixels(given, given_layout(given, one, side))
    return Map(own, picture, {})


def volume_map(
    attribution: Attribution[Any], example: int, input: str | None, axis: int, most: int
) -> Map:
    """Slices of a volume beside one another: those with the largest sums of |value|, in their order.

    Args:
        axis: of the volume, 0 to 2, across which it is cut.
        most: how many slices at most.

    Raises:
        BacklightError: there is no such example or input, or its places are not along three axes.
    """
    one = values_of(attribution, input)
    row = checked_example(example, len(one.values))
    if one.layout is None or len(one.layout.grid) != 3:
        raise InputError(f"Values of shape {one.values.shape} have no places of a volume.")
    if axis not in (0, 1, 2):
        raise HyperParameterError(f"axis must be 0, 1 or 2, got {axis!r}.")
    side = model_side(attribution)
    own = np.moveaxis(along_places(one.values[row], one.layout).sum(axis=-1), axis, 0)
    sizes = np.abs(own).sum(axis=(1, 2))
    chosen = np.sort(np.argsort(-sizes, kind="stable")[: checked_most(most)])
    given, picture = one.given(row), None
    if given is not None:
        layers = np.moveaxis(along_places(given, given_layout(given, one, side)), axis, 0)
        extremes = float(given.min()), float(given.max())
        if layers.shape[:3] == own.shape:
            grey = shown(layers.mean(axis=-1).reshape(len(layers), -1), "last", extremes)
            picture = tiled(grey.reshape(own.shape)[chosen], 255)[0]
    values, corners = tiled(own[chosen], 0.0)
    named = zip(corners, chosen.tolist(), strict=True)
    return Map(values, picture, {corner: f"slice {place}" for corner, place in named})


def tiled(parts: NDArray[Any], gap: float) -> tuple[NDArray[Any], list[tuple[int, int]]]:
    """Arrays (n, H, W) side by side in rows, one place apart, and their upper left corners."""
    count, height, width = parts.shape
    columns = max(1, round(sqrt(count * height / width)))
    rows = ceil(count / columns)
    whole = np.full((rows * (height + 1) - 1, columns * (width + 1) - 1), gap, dtype=parts.dtype)
    corners = [
        (number // columns * (height + 1), number % columns * (width + 1))
        for number in range(count)
    ]
    for part, (top, left) in zip(parts, corners, strict=True):
        whole[top : top + height, left : left + width] = part
    return whole, corners


def model_side(attribution: Attribution[Any]) -> Channels:
    """Where the framework's own layers have channels, of inputs whose shape does not tell."""
    return "first" if attribution.framework == "torch" else "last"


def given_layout(given: NDArray[Any], one: InputValues, side: Channels) -> Layout:
    """The layout of an input of places, whose values may lie at coarser ones, or have no channels.

    Its channels are where they leave the places of the values; else on the model's side, unless only the
    other can be a number of colours.
    """
    shape = (1, *given.shape)
    if one.layout is not None and not one.layout.tokens and one.values.ndim == len(shape):
        return one.layout
    grid = () if one.layout is None else one.layout.grid
    either = (layout_with(shape, axis) for axis in (1, given.ndim))
    found = next((layout for layout in either if layout.grid == grid), None)
    without: InputChannels | None = "none" if given.ndim == (len(grid) or 2) else None
    found = found or input_layout(shape, side, without)
    if found is None or len(found.grid) != (len(grid) or 2):
        raise InputError(f"An input of shape {shape} has no places as its values do.")
    return found


def along_places(array: NDArray[Any], layout: Layout) -> NDArray[Any]:
    """One example with its channels last, (*places, C)."""
    if layout.channel_axis is None:
        return array[..., None]
    return np.moveaxis(array, layout.channel_axis - 1, -1)


def pixels(given: NDArray[Any], layout: Layout) -> NDArray[np.uint8]:
    """A picture as bytes, from its own darkest number to its brightest."""
    extremes = float(given.min()), float(given.max())
    return shown(along_places(given, layout), "last", extremes)
