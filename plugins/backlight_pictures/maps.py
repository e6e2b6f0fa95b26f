"""From values shaped like pictures to one number per place, by a reduction that has a name."""

from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from backlight.errors import HyperParameterError, InputError
from backlight.explaining.resize import resize_matrix
from backlight.values.arrays import Channels
from backlight.values.layout import Layout, input_layout

Reduction: TypeAlias = Literal["sum", "mean", "maximum"]
"""What is drawn of several channels: their sum (which keeps completeness: a map adds up to what its
values add up to), their mean, or the value with the largest size."""


def to_maps(
    values: NDArray[Any], layout: Layout | Channels, reduction: Reduction = "sum"
) -> NDArray[np.float64]:
    """One map per example, shape (N, H, W).

    Args:
        values: (N, H, W), (N, C, H, W), (N, H, W, C), or a grid of tokens (N, T, C) with its layout;
            signals (N, C, L) are taken for maps.
        layout: as of `Attribution.layouts`; or where the channels are if the shape does not tell: an
            axis of 1, 3 or 4 does.
        reduction: of the channels.

    Raises:
        InputError: values of another shape.
    """
    wide = values.astype(np.float64)
    if isinstance(layout, Layout) and layout.tokens:
        wide = wide[:, layout.prefix :].reshape(len(wide), *layout.grid, -1)
        layout = Layout(3, layout.grid)
    if wide.ndim == 3:
        return wide
    if wide.ndim != 4:
        raise InputError(
            f"Maps are drawn of values (N, H, W), (N, C, H, W) or (N, H, W, C), got {values.shape}."
        )
    found = layout if isinstance(layout, Layout) else input_layout(wide.shape, layout)
    if found is None or found.channel_axis is None:
        raise InputError(f"Values of shape {values.shape} without channels are no maps.")
    axis = found.channel_axis
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


def reduction_of(values: NDArray[Any], layout: Layout | Channels) -> Reduction:
    """How channels are brought to one number per place: by their sum, or, where each channel holds the
    same map, as of a technique with one value per place, by their mean."""
    if values.ndim != 4:
        return "sum"
    largest = to_maps(values, layout, "maximum")
    mean = to_maps(values, layout, "mean").astype(values.dtype)
    return "mean" if np.array_equal(largest, mean) else "sum"
