"""Maps made comparable."""

from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from backlight.errors import InputError
from backlight_findings.finding import Studied

BLOCK = 64
"""So many maps are worked on at once, so that no second copy of all is held."""

PLACES = (
    "at the upper left",
    "at the top",
    "at the upper right",
    "at the left",
    "in the middle",
    "at the right",
    "at the lower left",
    "at the bottom",
    "at the lower right",
)
"""The ninths of a picture, row by row."""


@final
@dataclass(frozen=True, eq=False)
class Usable:
    """The maps of one technique for one question that can be compared.

    Attributes:
        technique, question: whose they are.
        maps: all of them, (explained, H, W).
        places: which of them are finite and not zero everywhere.
        rows: the examples at these places, positions in the data.
        left_out: how many are not.
    """

    technique: str
    question: str
    maps: NDArray[np.float64]
    places: NDArray[np.int64]
    rows: NDArray[np.int64]
    left_out: int


def usable(studied: Studied, technique: str | None = None) -> Usable | None:
    """The maps for the contrast, or else for the predicted class, by a technique or else the first.

    None where there are no maps that are finite and not flat.

    Raises:
        InputError: there are none by this technique.
    """
    names = list(dict.fromkeys(name for name, _ in studied.maps))
    if technique is not None and technique not in names:
        raise InputError(
            f"There are no maps by {technique!r}; there are some by {', '.join(names) or 'none'}."
        )
    for question in ("contrast", "predicted"):
        for name in names if technique is None else [technique]:
            maps = studied.maps.get((name, question))
            if maps is not None:
                good = [
                    np.isfinite(block).all(axis=(1, 2)) & block.any(axis=(1, 2))
                    for block in blocks(maps)
                ]
                places = np.flatnonzero(np.concatenate(good or [np.zeros(0, bool)]))
                if not len(places):
                    return None
                rows = np.asarray(studied.explained, dtype=np.int64)[places]
                return Usable(name, question, maps, places, rows, len(maps) - len(places))
    return None


def blocks(maps: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    return [maps[start : start + BLOCK] for start in range(0, len(maps), BLOCK)]


def downsized(maps: NDArray[np.float64], side: int, size: bool) -> NDArray[np.float64]:
    """Sums over the cells of a grid of at most `side` by `side`, (n, cells).

    Args:
        size: sum the sizes of values and not the values.
    """
    starts = [
        np.unique(np.linspace(0, length, min(side, length), endpoint=False).astype(np.int64))
        for length in maps.shape[1:]
    ]
    found = [
        np.add.reduceat(
            np.add.reduceat(np.abs(block) if size else block, starts[0], axis=1), starts[1], axis=2
        )
        for block in blocks(maps)
    ]
    cells = len(starts[0]) * len(starts[1])
    return np.concatenate([one.reshape(-1, cells) for one in found] or [np.zeros((0, cells))])


def mean_map(maps: NDArray[np.float64], places: NDArray[np.int64]) -> NDArray[np.float64]:
    """The mean of these maps (H, W), each divided by the sum of its sizes: each counts the same."""
    total = np.zeros(maps.shape[1:])
    for place in places:
        total += maps[place] / np.abs(maps[place]).sum()
    return total / max(len(places), 1)


def place_in_words(map: NDArray[np.float64]) -> str:
    """Which ninth of the picture holds at least half of the sum of a map's squared values (H, W), as the
    end of a sentence; nothing where none does. Squares, as much that is faint is no place."""
    squares = downsized(map[None] ** 2, 3, size=True).reshape(-1)
    if len(squares) < len(PLACES) or squares.max() < squares.sum() / 2:
        return ""
    return f", {PLACES[int(squares.argmax())]}"
