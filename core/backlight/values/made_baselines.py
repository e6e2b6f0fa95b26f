"""Baselines that are made of the example itself."""

from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from backlight.errors import InputError
from backlight.values.layout import Layout

MadeBaseline: TypeAlias = Literal["blur", "mean"]
"""`blur`: the example itself, out of focus. `mean`: the mean over its places, channel by channel."""

MADE = ("blur", "mean")

BLUR = 40
"""The standard deviation of the blur is this part of the longest side, 5.6 pixels of 224, and at least
one place."""


def made_baseline(
    name: MadeBaseline, value: NDArray[np.float64], layout: Layout | None
) -> NDArray[np.float64]:
    """The baseline of each example of a value (N, ...), shaped like it.

    Args:
        layout: where the value has its channels and its places; None where that is not known: of a value
            (N, tokens, features), tokens are then its places, of another one all numbers.

    Raises:
        InputError: the value has no neighbours to blur.
    """
    channels = 2 if layout is None and value.ndim == 3 else None
    channels = channels if layout is None else layout.channel_axis
    sides = tuple(axis for axis in range(1, value.ndim) if axis != channels)
    if name == "mean":
        return np.broadcast_to(value.mean(axis=sides, keepdims=True), value.shape)
    if layout is None or layout.tokens:
        raise InputError(
            f"'blur' needs places with neighbours, which a value of shape {value.shape} has not, as far "
            "as is known; say a number, an array, or 'mean'."
        )
    from scipy.ndimage import gaussian_filter  # here: who blurs nothing need not wait for it

    width = max(1.0, max(layout.grid) / BLUR)
    widths = [width if axis in sides else 0.0 for axis in range(value.ndim)]
    return np.asarray(gaussian_filter(value, widths, mode="nearest"), dtype=np.float64)
