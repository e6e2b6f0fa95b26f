"""Maps as grey pictures of 8 bits, whose colours are laid on when they are looked at.

A map in one channel takes a fraction of its overlay's space, can be read by programs, and may be
recoloured, faded, or cut to one sign without being computed again: a page does so with the filters
whose tables are made here.
"""

import io
from collections.abc import Mapping
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from backlight_pictures.colours import laid_on
from backlight_pictures.png import png
from backlight_pictures.scale import Scale

Signs: TypeAlias = Literal["both", "positive", "negative"]
"""Which values of a map are drawn."""

KNOTS = 65
"""How many points a filter's table has; the browser interpolates between them."""

QUALITY = 75
"""Of WebP files: off by 3 % of the scale on noise (root mean square), by 1 % on smooth maps."""

SMALL = 64
"""Pixels along the longer side up to which a map stays as it is: hardly any bytes, each one seen."""


def map_file(
    values: NDArray[np.float64], scale: Scale, notes: Mapping[str, str] | None = None
) -> bytes:
    """A PNG file of one map, 8-bit grey, its scale noted inside (`limit`, `signed`).

    Args:
        values: (H, W), finite.
        scale: with a sign, 128 is zero, 255 the limit and 1 minus the limit; else 0 is zero and 255
            the limit. Values beyond are cut off.
        notes: more to note inside the file.
    """
    shares = scale.shares(values)
    grey = 128 + 127 * shares if scale.signed else 255 * shares
    noted = {"limit": repr(scale.limit), "signed": repr(scale.signed)}
    return png(np.rint(grey).astype(np.uint8), {**(notes or {}), **noted})


def read_map(file: bytes) -> tuple[NDArray[np.uint8], Scale] | None:
    """The grey pixels (H, W) and the scale of a file that `map_file` made; None of any other."""
    with Image.open(io.BytesIO(file)) as picture:
        limit, signed = picture.info.get("limit"), picture.info.get("signed")
        if picture.mode != "L" or limit is None or signed not in ("True", "False"):
            return None
        return np.asarray(picture), Scale(float(limit), signed == "True")


def compact(grey: NDArray[np.uint8], stride: int = 1) -> tuple[bytes, str]:
    """The pixels of a map as a small file, and its media type.

    Args:
        grey: (H, W).
        stride: each pixel of the file is the mean of so many by so many of the map.

    Returns:
        Up to `SMALL` pixels a lossless PNG, above it a WebP that is off by about `QUALITY`'s share.
    """
    picture = Image.fromarray(grey)
    if max(grey.shape) <= SMALL:
        return png(grey), "image/png"
    file = io.BytesIO()
    picture.reduce(stride).save(file, "WEBP", quality=QUALITY, method=4)
    return file.getvalue(), "image/webp"


def filter_tables(signed: bool, signs: Signs) -> dict[str, list[float]]:
    """What a grey value from 0 to 1 becomes: red, green, blue and alpha at `KNOTS` even steps.

    The colours and their strength are those of `colours.overlay`.
    """
    places = np.linspace(-1.0 if signed else 0.0, 1.0, KNOTS)
    colours = laid_on(places, signed)
    if signs != "both":
        colours[places * (1 if signs == "positive" else -1) <= 0, 3] = 0
    return {
        name: [round(float(value), 3) for value in column]
        for name, column in zip("RGBA", colours.T, strict=True)
    }
