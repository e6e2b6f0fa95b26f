"""What a picture is like before any model looks at it: brightness, contrast, sharpness.

Of grey values g (the mean over channels, 1 for the largest that whole numbers can hold):

    brightness   mean g
    contrast     standard deviation of g / mean g
    sharpness    variance of the Laplacian of g / variance of g; low where a picture is blurred

The last two do not change when a picture is made darker by a factor, so that each is news.

Pech-Pacheco et al.: Diatom autofocusing in brightfield microscopy. ICPR 2000 (variance of the Laplacian).
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backlight.errors import InputError

BLOCK = 64


def picture_properties(
    read: Callable[[Sequence[int]], NDArray[Any]], rows: Sequence[int]
) -> Mapping[str, NDArray[np.float64]]:
    """Brightness, contrast and sharpness of these pictures, (n,) each; NaN where one has none.

    Args:
        read: gives pictures (n, H, W, C) or (n, H, W); of whole numbers or of numbers from 0.
    """
    found = [measured(read(rows[start : start + BLOCK])) for start in range(0, len(rows), BLOCK)]
    table = np.concatenate(found or [np.zeros((0, 3))])
    return dict(zip(("brightness", "contrast", "sharpness"), table.T, strict=True))


def measured(pictures: NDArray[Any]) -> NDArray[np.float64]:
    """(n, 3)."""
    if pictures.ndim not in (3, 4):
        raise InputError(
            f"Pictures are (n, H, W, C) or (n, H, W), got {pictures.shape} of {pictures.dtype}."
        )
    whole = np.issubdtype(pictures.dtype, np.integer)
    grey = pictures.astype(np.float32) / (np.iinfo(pictures.dtype).max if whole else 1)
    grey = grey.mean(axis=3) if grey.ndim == 4 else grey
    inner = grey[:, 1:-1, 1:-1]
    edges = grey[:, :-2, 1:-1] + grey[:, 2:, 1:-1] + grey[:, 1:-1, :-2] + grey[:, 1:-1, 2:]
    mean, spread = grey.mean(axis=(1, 2), dtype=float), grey.std(axis=(1, 2), dtype=float)
    steps = np.full(len(grey), np.nan)
    if inner.size:
        steps = (edges - 4 * inner).var(axis=(1, 2), dtype=float)
    # Rounding of numbers like 0.1 is no contrast.
    flat = spread <= 1e-6 * np.abs(mean)
    with np.errstate(invalid="ignore", divide="ignore"):
        contrast = np.where(mean > 0, spread / mean, np.nan)
        sharpness = np.where(flat, np.nan, steps / spread**2)
    return np.stack([mean, contrast, sharpness], axis=1)
