"""Where an array has its channels and its places: images, feature maps, signals, token grids."""

from dataclasses import dataclass
from math import inf, isqrt, log, prod
from typing import Literal, TypeAlias, final

from backlight.values.arrays import Array, Arrays, Channels, shape_of

InputChannels: TypeAlias = Literal["first", "last", "none"]
"""Where inputs have their channels. `none`: an input is all places, (N, L), (N, H, W) or
(N, D, H, W), and the net makes channels by itself if it needs them."""

InputKind: TypeAlias = Literal["picture", "text", "table", "series", "volume", "other"]
"""What an input is, and so how its values are drawn: places along two axes, tokens, columns, moments
along one axis, places along three, or none of these."""

COLOURS = (1, 3, 4)
MOST_COLOURS = 4
MOST_PREFIX_TOKENS = 8
"""Class and register tokens that a vision transformer may put before its patches."""


@final
@dataclass(frozen=True)
class Layout:
    """How a value of shape (N, ...) covers the input's space.

    Attributes:
        channel_axis: the axis that holds a vector per place; None where each place is one number.
        grid: the number of places along each axis of space, such as (7, 7).
        prefix: for token sequences, how many tokens before the grid belong to no place.
        tokens: whether the grid is laid out along one axis, as a sequence of tokens.
    """

    channel_axis: int | None
    grid: tuple[int, ...]
    prefix: int = 0
    tokens: bool = False

    @property
    def channels(self) -> Channels:
        """Which side the channels are on; where there are none, they would come last."""
        return "first" if self.channel_axis == 1 else "last"

    def channels_last(self, value: Array, arrays: Arrays) -> Array:
        """The value as (N, *grid, channels), tokens that belong to no place left out."""
        if self.channel_axis is None:
            return arrays.expand_dims(value, axis=value.ndim)
        if self.channels == "first":
            value = arrays.permute_dims(value, (0, *range(2, value.ndim), 1))
        if self.tokens:
            value = value[:, self.prefix :, :]
            count, _, channels = shape_of(value)
            value = arrays.reshape(value, (count, *self.grid, channels))
        return value


def input_layout(
    shape: tuple[int, ...], channels: Channels, said: InputChannels | None = None
) -> Layout | None:
    """The layout of an input: signals (N, C, L), images (N, C, H, W), volumes, or channels last.

    The channels are where the user has said, if they have; else on the model's side, unless only the
    other side can be a number of colours. None for inputs without space, such as (N, features).
    """
    if said == "none":
        return Layout(None, shape[1:]) if len(shape) > 1 else None
    if len(shape) < 3:
        return None
    sides = (1, len(shape) - 1)
    own, other = sides if (said or channels) == "first" else sides[::-1]
    swapped = said is None and shape[own] > MOST_COLOURS and shape[other] in COLOURS
    return layout_with(shape, other if swapped else own)


def guessed(shape: tuple[int, ...], said: InputChannels | None) -> bool:
    """Whether an input of three axes may as well be pictures without channels, (N, H, W), as signals
    with channels on one side."""
    return said is None and len(shape) == 3 and min(shape[1:]) > MOST_COLOURS


def layout_with(shape: tuple[int, ...], channel_axis: int) -> Layout:
    grid = shape[2:] if channel_axis == 1 else shape[1:-1]
    return Layout(channel_axis, grid)


def layout_by_places(shape: tuple[int, ...], places: tuple[int, ...]) -> Layout | None:
    """The layout of an array whose axes that hold places are known; None where it has none, or what
    else it has is not one axis of channels first or last."""
    others = [axis for axis in range(1, len(shape)) if axis not in places]
    if not places or (others and others not in ([1], [len(shape) - 1])):
        return None
    return Layout(others[0] if others else None, tuple(shape[axis] for axis in places))


def site_layout(
    shape: tuple[int, ...], image: tuple[int, ...], channels: Channels, count: int
) -> Layout | None:
    """The layout of an inner value over an input with the places `image`, such as (224, 224).

    None if the value has none: a vector per example, one single place, or no examples' axis.
    A value with as many axes as the input is a feature map, whose channels are on the axis that
    leaves a grid of the input's proportions (the model's own side where both do); one with three
    axes over an image is a sequence of tokens, if they form a grid of these proportions.
    """
    if len(shape) < 3 or shape[0] != count:
        return None
    if len(shape) == len(image) + 2:
        sides = [1, len(shape) - 1] if channels == "first" else [len(shape) - 1, 1]
        best = min(
            (layout_with(shape, side) for side in sides),
            key=lambda layout: distortion(layout.grid, image),
        )
        return best if prod(best.grid) > 1 and distortion(best.grid, image) < inf else None
    if len(shape) == 3 and len(image) == 2:
        return token_layout(shape, image)
    return None


def token_layout(shape: tuple[int, ...], image: tuple[int, ...]) -> Layout | None:
    for prefix in range(MOST_PREFIX_TOKENS + 1):
        grid = grid_of(shape[1] - prefix, image)
        if grid is not None:
            return Layout(2, grid, prefix, tokens=True)
    return None


def grid_of(tokens: int, image: tuple[int, ...]) -> tuple[int, int] | None:
    """rows x columns = tokens with exactly the image's proportions and more than one place."""
    height, width = image
    rows = isqrt(max(tokens, 0) * height // width)
    for candidate in (rows, rows + 1):
        if (
            candidate > 1
            and tokens % candidate == 0
            and candidate * width == tokens // candidate * height
        ):
            return candidate, tokens // candidate
    return None


def distortion(grid: tuple[int, ...], image: tuple[int, ...]) -> float:
    """How far a grid's proportions are from the image's, 0 for equal; infinite where it is finer."""
    if any(places > pixels for places, pixels in zip(grid, image, strict=True)):
        return inf
    scales = [log(pixels / places) for places, pixels in zip(grid, image, strict=True)]
    # Rounding of odd sizes (7 of 15) must not decide: compare in steps of about a quarter octave.
    return round((max(scales) - min(scales)) / 0.18)
