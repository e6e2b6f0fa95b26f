"""The right examples that are nearest to a case, as the model sees them."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias, final

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

AT_ONCE = 2**24
"""How many distances are in memory at a time."""

Features: TypeAlias = tuple[NDArray[np.int64], NDArray[np.floating]]
"""Rows of examples, (n,), and what the model makes of each, (n, features)."""


@final
@dataclass(frozen=True)
class Neighbour:
    """An example that the model gets right.

    Attributes:
        row: its place among the predictions.
        distance: from the case, Euclidean, in the space that was looked in.
    """

    row: int
    distance: float


def nearest(
    space: NDArray[np.floating], rows: NDArray[np.int64], right: NDArray[np.bool_], most: int = 3
) -> list[tuple[Neighbour, ...]]:
    """For each row the nearest right examples, the nearest first, equals by their number; the row itself
    is not among them.

    Args:
        space: what the model makes of each example, (N, features).
        rows: those whose neighbours are looked for.
        right: which examples the model gets right, (N,).
        most: how many, at least 1.
    """
    step = max(1, AT_ONCE // max(1, len(rows)))
    blocks = (
        (np.arange(start, min(start + step, len(space))), space[start : start + step])
        for start in range(0, len(space), step)
    )
    return nearest_of(blocks, (rows, space[rows]), right, most)


def nearest_of(
    blocks: Iterable[Features], cases: Features, right: NDArray[np.bool_], most: int = 3
) -> list[tuple[Neighbour, ...]]:
    """The same of examples that come block by block: memory does not grow with their number.

    Args:
        blocks: all examples.
        cases: those whose neighbours are looked for.
        right: which rows the model gets right.
        most: how many, at least 1.
    """
    rows, features = cases[0], cases[1].astype(np.float64)
    distances = np.full((len(rows), 0), np.inf)
    found = np.empty((len(rows), 0), dtype=np.int64)
    for others, theirs in blocks:
        some = others[right[others]]
        far = cdist(features, theirs[right[others]].astype(np.float64))
        far[rows[:, None] == some[None, :]] = np.inf
        distances = np.concatenate([distances, far], axis=1)
        found = np.concatenate([found, np.broadcast_to(some, far.shape)], axis=1)
        order = np.lexsort((found, distances), axis=1)[:, :most]
        distances, found = (np.take_along_axis(one, order, 1) for one in (distances, found))
    return [
        tuple(Neighbour(int(k), float(d)) for k, d in zip(*both, strict=True) if np.isfinite(d))
        for both in zip(found, distances, strict=True)
    ]


def log_odds_space(probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
    """The outputs as a space: logarithms of the probabilities, minus their mean in each row, so that
    a softmax leaves no trace."""
    logarithms = np.log(np.maximum(probabilities, np.finfo(np.float64).tiny))
    return np.asarray(logarithms - logarithms.mean(axis=1, keepdims=True))
