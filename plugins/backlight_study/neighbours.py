"""The right examples that are nearest to a case, as the model sees them."""

from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

AT_ONCE = 2**24
"""How many distances are in memory at a time."""


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
    others = np.flatnonzero(right)
    found: list[tuple[Neighbour, ...]] = []
    step = max(1, AT_ONCE // max(1, len(others)))
    for start in range(0, len(rows), step):
        part = rows[start : start + step]
        distances = cdist(space[part].astype(np.float64), space[others].astype(np.float64))
        distances[part[:, None] == others[None, :]] = np.inf
        order = np.argsort(distances, axis=1, kind="stable")[:, :most]
        for place, chosen in enumerate(order):
            pairs = ((int(others[one]), float(distances[place, one])) for one in chosen)
            found.append(tuple(Neighbour(*pair) for pair in pairs if np.isfinite(pair[1])))
    return found


def log_odds_space(probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
    """The outputs as a space: logarithms of the probabilities, minus their mean in each row, so that
    a softmax leaves no trace."""
    logarithms = np.log(np.maximum(probabilities, np.finfo(np.float64).tiny))
    return np.asarray(logarithms - logarithms.mean(axis=1, keepdims=True))
