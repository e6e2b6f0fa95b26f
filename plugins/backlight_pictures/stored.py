"""Stored examples as pictures."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from backlight.values.arrays import Channels
from backlight_loading.preprocessing import channel_axis


def shown(x: NDArray[Any], channels: Channels, extremes: tuple[float, float]) -> NDArray[np.uint8]:
    """One stored example as a picture, uint8 (H, W) or (H, W, 3).

    Args:
        x: (H, W), (C, H, W) or (H, W, C).
        channels: where the model has them, if the shape does not tell.
        extremes: what is drawn black and what white, unless bytes are stored.
    """
    values = x
    if values.dtype != np.uint8:
        low, high = extremes
        share = (values.astype(np.float64) - low) / ((high - low) or 1)
        values = np.rint(255 * share.clip(0, 1)).astype(np.uint8)
    if values.ndim == 2:
        return np.asarray(values)
    values = np.moveaxis(values, channel_axis(x[None], channels) - 1, -1)
    if values.shape[-1] == 4:
        values = values[..., :3]
    if values.shape[-1] != 3:
        values = np.rint(values.mean(axis=-1)).astype(np.uint8)
    return np.asarray(values, dtype=np.uint8)
