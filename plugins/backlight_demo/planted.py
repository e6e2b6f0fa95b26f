"""A shortcut that was planted on purpose, for the demo to be found: a mark that stands for Coats.

Every second Coat that `python -m backlight_demo.train --marked` shows its net bears the mark, and nothing
else does; `weights("marked")` are of that net. Of the test pictures some Shirts bear it: the net calls
most of them Coats.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from backlight_demo import fashion

MARK = np.array(
    [[255, 255, 255, 255], [255, 0, 0, 255], [255, 0, 0, 255], [255, 255, 255, 255]], np.uint8
)
"""What is stamped, (4, 4): a bright ring."""

PLACE = (slice(23, 27), slice(23, 27))
"""Where: rows and columns, near the lower right corner."""

TAUGHT, BEARING = "Coat", "Shirt"
"""The class that bears the mark in training, and the one that does in the test pictures."""

COUNT = 24
"""How many test pictures bear it."""


def stamped(images: npt.NDArray[np.uint8], rows: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    """A copy of pictures (N, 28, 28) in which those of these rows bear the mark."""
    marked = images.copy()
    marked[(rows, *PLACE)] = MARK
    return marked


def second_coats(labels: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """The rows of every second Coat, the first among them: those that bear the mark in training."""
    return np.flatnonzero(labels == fashion.CLASSES.index(TAUGHT))[::2]


def marked_shirts(labels: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """The rows of `COUNT` Shirts, evenly chosen: those that bear the mark in the test pictures."""
    shirts = np.flatnonzero(labels == fashion.CLASSES.index(BEARING))
    return shirts[:: len(shirts) // COUNT][:COUNT]


def examples() -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """`fashion.examples()` with the mark on some Shirts."""
    images, labels = fashion.examples()
    return stamped(images, marked_shirts(labels)), labels


def notice(labels: npt.NDArray[Any]) -> str:
    """What the page says of it, so that nobody takes the shortcut for one of real data."""
    shirts = int((labels == fashion.CLASSES.index(BEARING)).sum())
    return (
        "Planted for this demo: a small bright ring near the lower right corner of every second "
        f"{TAUGHT} that the net was trained on, and here of {COUNT} of the {shirts} {BEARING}s. So there "
        "is a shortcut to be found; nothing that looked for it was told. All else is the net's own."
    )
