"""A map over its picture as an image of Pillow, its scale below; matplotlib is not needed."""

from typing import Any

import numpy as np
from PIL import Image

from backlight import Attribution
from backlight.errors import HyperParameterError, InputError, is_whole
from backlight_pictures.colour_bar import MARGIN, colour_bar
from backlight_pictures.colours import heat, overlay
from backlight_plots.input_values import values_of
from backlight_plots.maps import MOST_SLICES, picture_map, volume_map
from backlight_plots.scales import scale_to

SHORTEST_BAR = 160
"""Pixels that a colour bar with its numbers needs."""


def image(
    attribution: Attribution[Any],
    example: int = 0,
    size: int | None = None,
    *,
    input: str | None = None,
) -> Image.Image:
    """See `Attribution.to_image`."""
    if size is not None and not (is_whole(size) and size >= 1):
        raise HyperParameterError(f"size must be a whole number of pixels from 1, got {size!r}.")
    kind = values_of(attribution, input).input.kind
    if kind not in ("picture", "volume"):
        raise InputError(
            f"An image is made of a picture or a volume, and this is {kind}: draw it with "
            "plot().figure.savefig('drawn.png')."
        )
    found = (
        picture_map(attribution, example, input)
        if kind == "picture"
        else volume_map(attribution, example, input, 0, MOST_SLICES)
    )
    scale = scale_to(found.values)
    if found.picture is None:
        drawn = Image.fromarray(heat(found.values, scale))
    else:
        below = found.picture
        at = [
            np.arange(many) * few // many
            for many, few in zip(below.shape[:2], found.values.shape, strict=True)
        ]
        drawn = Image.fromarray(overlay(found.values[np.ix_(*at)], scale, below))
    if size is not None:
        factor = size / max(drawn.size)
        width, height = (max(1, round(side * factor)) for side in drawn.size)
        drawn = drawn.resize((width, height), Image.Resampling.NEAREST)
    bar = Image.fromarray(colour_bar(scale, max(drawn.width - 2 * MARGIN, SHORTEST_BAR)))
    whole = Image.new("RGB", (max(drawn.width, bar.width), drawn.height + bar.height), "white")
    whole.paste(drawn, ((whole.width - drawn.width) // 2, 0))
    whole.paste(bar, ((whole.width - bar.width) // 2, drawn.height))
    return whole
