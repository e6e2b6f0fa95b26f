"""How alike two maps are: rank correlation, and what their top places have in common."""

import numpy as np
from numpy.typing import NDArray


def rank_correlation(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    """Spearman's, of maps (n, places) each, ties at their mean rank: (n,). NaN where a map is the same
    everywhere, or not finite."""
    from scipy.stats import rankdata  # here: it takes long to import

    finite = np.asarray(np.isfinite(one + other).all(axis=1))[:, None]
    first, second = (rankdata(np.where(finite, part, 0.0), axis=1) for part in (one, other))
    first, second = (part - part.mean(axis=1, keepdims=True) for part in (first, second))
    with np.errstate(invalid="ignore", divide="ignore"):
        sizes = np.sqrt((first**2).sum(axis=1) * (second**2).sum(axis=1))
        return np.asarray((first * second).sum(axis=1) / sizes)


def top_share(places: NDArray[np.float64], share: float) -> NDArray[np.float64]:
    """How far each place is among the top share, (n, places): 1 or 0, and between them for those that are
    tied at the border. Each row sums to the number of top places, at least 1."""
    count = max(1, round(share * places.shape[1]))
    border = -np.sort(-places, axis=1)[:, count - 1 : count]
    above, at = places > border, places == border
    room = count - above.sum(axis=1, keepdims=True)
    return np.asarray(above + at * room / at.sum(axis=1, keepdims=True))


def top_overlap(
    one: NDArray[np.float64], other: NDArray[np.float64], share: float
) -> NDArray[np.float64]:
    """The share of the top places of one map that are among the other's too, (n,)."""
    first, second = top_share(one, share), top_share(other, share)
    return np.asarray(np.minimum(first, second).sum(axis=1) / first.sum(axis=1))
