"""A map over its picture, or alone, and a picture as it was given."""

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from backlight_pictures.colours import heat, overlay, ramp
from backlight_pictures.maps import resized
from backlight_pictures.png import data_uri, enlarged, png
from backlight_pictures.scale import Scale, number

SIDE = 150
"""Pixels that an image is high; in its file it has up to twice as many, for sharp screens."""

HEAVY, QUALITY = 20_000, 90
"""Bytes from which on an image is stored as JPEG, and how good that is, of 100."""


def coloured(values: NDArray[Any], picture: NDArray[np.uint8] | None, scale: Scale) -> str:
    """A map as an image, laid over its picture where there is one.

    Args:
        values: (H, W), finite; brought to the picture's places where it has others.
        picture: uint8, (h, w) grey or (h, w, 3) RGB.
        scale: of the values.
    """
    said = f"Heat map, values {number(float(values.min()))} to {number(float(values.max()))}"
    if picture is None:
        return image(heat(values, scale), said)
    height, width = picture.shape[:2]
    fitting = resized(values[None].astype(np.float64), (height, width))[0]
    return image(overlay(fitting, scale, picture), said)


def image(pixels: NDArray[np.uint8], said: str) -> str:
    """Pixels (H, W) or (H, W, 3) as an image that needs no file, lossless where that takes few bytes.

    Args:
        said: what it shows, as HTML.
    """
    kept = np.asarray(Image.fromarray(pixels).reduce(max(1, min(pixels.shape[:2]) // (2 * SIDE))))
    lossless = png(enlarged(kept, SIDE))
    address = data_uri(lossless)
    if len(lossless) > HEAVY:
        file = io.BytesIO()
        # With the colour of each pixel: else red beside blue, in a map, is purple.
        Image.fromarray(kept).save(file, "JPEG", quality=QUALITY, subsampling=0)
        address = data_uri(file.getvalue(), "image/jpeg")
    return f'<img src="{address}" alt="{said}" title="{said}" height="{SIDE}">'


def strip(scale: Scale, overlaid: bool) -> str:
    """The colours of a scale from end to end, as those of maps: over a picture, or alone."""
    height, width = 8, 180
    pixels = heat(np.broadcast_to(np.linspace(*scale.ends, width), (height, width)), scale)
    if overlaid:
        pixels = ramp(scale, width, height)
    low, high = map(number, scale.ends)
    return f'<img src="{data_uri(png(pixels))}" alt="The scale: {low} to {high}">'
