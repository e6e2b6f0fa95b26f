"""Pictures and maps that no model made, seeded."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FASHION = [
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat",
    "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
]  # fmt: skip


@dataclass(frozen=True)
class Shape:
    """How large a study is.

    Attributes:
        classes: their names.
        cases: how many are explained.
        side: pixels along the side of a picture.
        colour: pictures have three channels.
        techniques: how many of `TECHNIQUES`.
        one_output: the model has one output, of two classes.
        noisy: maps are noise, the worst to store.
    """

    classes: tuple[str, ...] = tuple(FASHION)
    cases: int = 30
    side: int = 28
    colour: bool = False
    techniques: int = 4
    one_output: bool = False
    noisy: bool = False


def values(rng: np.random.Generator, shape: Shape, name: str) -> NDArray[np.float64]:
    """A map: noise for gradients, coarse patches for the others, no sign for Grad-CAM."""
    side = shape.side
    if shape.noisy or name == "integrated_gradients":
        noise = rng.standard_t(3, (side, side)) * blobs(rng, side, 3)
        return np.asarray(noise + 0.1 * rng.normal(size=(side, side)))
    smooth = blobs(rng, side, 4) - (0 if name == "grad_cam" else blobs(rng, side, 3))
    if name == "occlusion":
        step = max(1, side // 14)
        coarse = smooth[::step, ::step].repeat(step, axis=0).repeat(step, axis=1)
        return np.asarray(coarse[:side, :side])
    return np.asarray(smooth)


def blobs(rng: np.random.Generator, side: int, count: int) -> NDArray[np.float64]:
    rows, columns = np.mgrid[:side, :side] / side
    total = np.zeros((side, side))
    for y, x, size in rng.uniform([0.15, 0.15, 0.05], [0.85, 0.85, 0.2], (count, 3)):
        total += np.exp(-((rows - y) ** 2 + (columns - x) ** 2) / (2 * size**2))
    return total


def picture(rng: np.random.Generator, shape: Shape, k: int) -> NDArray[np.uint8]:
    """Something to look at that differs from class to class."""
    side = shape.side
    rows, columns = np.mgrid[:side, :side] / side - 0.5
    angle = np.arctan2(rows, columns)
    edge = 0.3 + 0.08 * np.cos((k % 9 + 2) * angle + rng.uniform(0, 6))
    body = 1 / (1 + np.exp((np.hypot(rows, columns) - edge) * 60))
    shade = body * (0.75 + 0.25 * np.sin(30 * (rows + (k % 5) * columns)))
    shade = (shade + rng.normal(0, 0.02, (side, side))).clip(0, 1)
    if not shape.colour:
        return np.asarray(np.rint(255 * shade), dtype=np.uint8)
    tint = np.array([(k * 37 % 97) / 97, (k * 53 % 89) / 89, 0.6])
    ground = 0.9 - 0.3 * rows[..., None] * tint
    return np.asarray(
        np.rint(255 * (shade[..., None] * tint + (1 - body[..., None]) * ground).clip(0, 1)),
        dtype=np.uint8,
    )
