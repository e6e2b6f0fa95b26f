"""A volume as a few of its slices."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from backlight_pictures.fragments.picture import coloured
from backlight_pictures.scale import Scale
from backlight_pictures.stored import shown

SHOWN = 4
"""How many slices are drawn."""


def slices(values: NDArray[Any], given: NDArray[Any] | None, scale: Scale) -> str:
    """The slices along the first axis with the largest sums of |value|, in order, with their shares.

    Args:
        values: (D, H, W), finite.
        given: the volume itself, (D, H, W), drawn beneath where it is known.
        scale: of the values.
    """
    sizes = np.abs(values).sum(axis=(1, 2), dtype=np.float64)
    shares = sizes / (sizes.sum() or 1.0)
    largest = np.sort(np.argsort(-sizes, kind="stable")[:SHOWN])
    extremes = (0.0, 1.0) if given is None else (float(given.min()), float(given.max()))
    figures = []
    for k in largest.tolist():
        below = None if given is None else shown(given[k], "first", extremes)
        figures.append(
            f"<figure>{coloured(values[k], below, scale)}<figcaption>slice {k} of {len(values)}: "
            f"{shares[k]:.0%} of |value|</figcaption></figure>"
        )
    return f'<div class="slices">{"".join(figures)}</div>'
