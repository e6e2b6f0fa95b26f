"""From values shaped like pictures to one number per place, by a reduction that has a name."""

from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from backlight.arrays import Channels
from backlight.errors import HyperParameterError, InputError
from backlight.layout import input_layout
from backlight.resize import resize_matrix

Reduction: TypeAlias = Literal["sum", "mean", "maximum"]
"""What is drawn of several channels: their sum (which keeps completeness: a map adds up to what its
values add up to), their mean, or the value with the largest size."""


def to_maps(
    values: NDArray[Any], channels: Channels, reduction: Reduction = "sum"
) -> NDArray[np.float64]:
    """One map per example, shape (N, H, W).

    Args:
        values: (N, H, W), (N, C, H, W) or (N, H, W, C).
        channels: where the channels are if the shape does not tell: an axis of 1, 3 or 4 does.
        reduction: of the channels.

    Raises:
        InputError: values of another shape.
    """
    wide = values.astype(np.float64)
    if wide.ndim == 3:
        return wide
    layout = input_layout(wide.shape, channels) if wide.ndim == 4 else None
    if layout is None:
        raise InputError(
            f"Maps are drawn of values (N, H, W), (N, C, H, W) or (N, H, W, C), got {values.shape}."
        )
    axis = layout.channel_axis
    if reduction == "sum":
        return np.asarray(wide.sum(axis=axis))
    if reduction == "mean":
        return np.asarray(wide.mean(axis=axis))
    if reduction == "maximum":
        largest = np.expand_dims(np.abs(wide).argmax(axis=axis), axis)
        return np.take_along_axis(wide, largest, axis=axis).squeeze(axis)
    raise HyperParameterError(
        f"A reduction of channels is 'sum', 'mean' or 'maximum', got {reduction!r}."
    )


def resized(maps: NDArray[np.float64], grid: tuple[int, int]) -> NDArray[np.float64]:
    """Maps (N, H, W) brought to a picture's places, bilinear; as they are where they fit."""
    if maps.shape[1:] == grid:
        return maps
    rows, columns = (
        resize_matrix(source, size, "bilinear")
        for source, size in zip(maps.shape[1:], grid, strict=True)
    )
    return np.asarray(rows @ maps @ columns.T)
