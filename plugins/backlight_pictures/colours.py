"""Colours for values: maps that are even to the eye, red for what speaks for the score."""

from functools import cache
from typing import Any, TypeAlias

import numpy as np
from cmap import Colormap
from numpy.typing import NDArray

from backlight_pictures.scale import Scale

DIVERGING = "colorcet:cet_d1"
"""Blue, near white, red (Kovesi 2015): even steps to the eye, and told apart by the colour-blind."""

SEQUENTIAL = "colorcet:cet_l18"
"""White, yellow, orange, red (Kovesi 2015)."""

SHADES = 1024

LIGHTEST, DARKEST = 0.97, 0.45
"""How bright the white and the black of a picture are under an overlay: pale, so that colours show."""

STRONGEST = 0.92
"""The share of an overlay's colour where the scale ends; the rest is the picture."""

Colours: TypeAlias = NDArray[np.uint8]


def heat(values: NDArray[Any], scale: Scale) -> Colours:
    """Values of any shape as RGB colours, uint8, shape (*values.shape, 3)."""
    return to_bytes(painted(scale.shares(values), scale.signed))


def overlay(values: NDArray[Any], scale: Scale, picture: NDArray[Any]) -> Colours:
    """A map over its picture, which is made grey and pale: the larger |value|, the more of its colour.

    Args:
        values: (H, W).
        scale: of the values.
        picture: uint8, (H, W) grey or (H, W, 3) RGB.

    Returns:
        RGB, uint8, (H, W, 3).
    """
    colours = laid_on(scale.shares(values), scale.signed)
    alpha = colours[..., 3:]
    return to_bytes((1 - alpha) * pale(picture)[..., None] + alpha * colours[..., :3])


def laid_on(
    shares: NDArray[np.float64], signed: bool, strongest: float = STRONGEST
) -> NDArray[np.float64]:
    """Colours with their alpha, (..., 4) from 0 to 1, that are laid on a pale picture for shares as of
    `painted`: nothing at zero.

    Args:
        strongest: alpha at a share of 1.
    """
    alpha = strongest * np.sqrt(np.abs(shares))
    # Colour by its own lightness near zero would whiten the picture: take it from a quarter upwards.
    tint = np.where(shares < 0, -1, 1) * (0.25 + 0.75 * np.abs(shares))
    return np.concatenate([painted(tint, signed), alpha[..., None]], axis=-1)


def pale(picture: NDArray[Any]) -> NDArray[np.float64]:
    """Brightness of a picture under an overlay, see `grey`, from `DARKEST` to `LIGHTEST`."""
    return DARKEST + (LIGHTEST - DARKEST) * grey(picture)


def ramp(scale: Scale, length: int, height: int) -> Colours:
    """The colours of an overlay from one end of the scale to the other, left to right, over grey."""
    values = np.linspace(*scale.ends, length)
    plain = np.full((height, length), 204, dtype=np.uint8)
    return overlay(np.broadcast_to(values, plain.shape), scale, plain)


def painted(shares: NDArray[np.float64], signed: bool) -> NDArray[np.float64]:
    """Colours from 0 to 1 for shares from -1 to 1, or from 0 to 1 without a sign."""
    table = table_of(DIVERGING if signed else SEQUENTIAL)
    places = (shares + 1) / 2 if signed else shares
    return table[np.rint(places * (SHADES - 1)).astype(np.int64)]


@cache
def table_of(name: str) -> NDArray[np.float64]:
    return np.asarray(Colormap(name).lut(SHADES), dtype=np.float64)[:, :3]


def grey(picture: NDArray[Any]) -> NDArray[np.float64]:
    """Brightness from 0 to 1 of a uint8 picture (H, W) or (H, W, 3): ITU-R BT.601 weights."""
    values = picture.astype(np.float64) / 255
    return values if values.ndim == 2 else values @ np.array([0.299, 0.587, 0.114])


def to_bytes(colours: NDArray[np.float64]) -> Colours:
    return np.rint(np.clip(colours, 0, 1) * 255).astype(np.uint8)
