"""A volume as a few of its slices."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from backlight_pictures.colours import heat, overlay
from backlight_pictures.png import data_uri, enlarged, png
from backlight_pictures.scale import Scale
from backlight_pictures.stored import shown

SHOWN = 4
"""How many slices are drawn."""

SIDE = 150
"""Pixels of a slice's shorter side, about."""


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
        if given is None:
            pixels = heat(values[k], scale)
        else:
            pixels = overlay(values[k], scale, shown(given[k], "first", extremes))
        said = f"slice {k} of {len(values)}: {shares[k]:.0%} of |value|"
        figures.append(
            f'<figure><img src="{data_uri(png(enlarged(pixels, SIDE)))}" alt="{said}">'
            f"<figcaption>{said}</figcaption></figure>"
        )
    return f'<div class="slices">{"".join(figures)}</div>'
