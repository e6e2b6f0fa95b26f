"""The area under the ROC curve of each class against the rest, and how sure it is."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from backlight_study.performance.estimate import Floats, mean_of_defined
from backlight_study.performance.intervals import wilson

BLOCK = 1 << 22
"""How many scores are brought together at a time."""


@final
@dataclass(frozen=True, eq=False)
class Areas:
    """The areas of all classes; NaN for a class that no example has, or all have.

    Attributes:
        values: (K,), in [0, 1].
        low, high: limits of each, (K,).
        macro: the limits of the mean of those that are defined.
    """

    values: Floats
    low: Floats
    high: Floats
    macro: tuple[float, float]


def areas(members: Callable[[int], NDArray[np.bool_]], scores: NDArray[np.floating[Any]]) -> Areas:
    """The share of pairs of an example of the class and one of another that the scores put in the right
    order; ties are half right (Hanley and McNeil 1982).

    The variance of an area is that of DeLong, DeLong and Clarke-Pearson (1988): S1 / m + S0 / n with S1
    the sample variance, over the m members, of the share of others that score less, and S0 likewise. An
    area A counts as a share of A (1 - A) / variance trials, at least min(m, n): no area of m and n
    examples varies more (Birnbaum and Klose 1957). The mean over classes takes the sum of each
    example's parts in all areas, so what classes share is counted.

    Args:
        members: says of a class which examples are of it, (N,).
        scores: (N, K), any that rise with belief in the class.
    """
    count, classes = scores.shape
    values = np.full(classes, np.nan)
    variances = np.full(classes, np.nan)
    fewest = np.zeros(classes)
    parts = np.zeros(count)
    block = max(1, BLOCK // count)
    for start in range(0, classes, block):
        columns = np.ascontiguousarray(scores[:, start : start + block].T)
        for k, column in enumerate(columns, start):
            member = members(k)
            inside = int(np.count_nonzero(member))
            fewest[k] = min(inside, count - inside)
            if not fewest[k]:
                continue
            placed = placements(member, column)
            values[k] = placed[member].mean()
            part = np.where(member, count / inside, count / (count - inside))
            part *= placed - values[k]
            parts += part
            known = fewest[k] > 1  # one example does not tell how much another would differ
            variances[k] = variance(placed[member]) + variance(placed[~member]) if known else 0.0
    low, high = wilson(values, trials(values, variances, fewest))
    defined = ~np.isnan(values)
    if not defined.any():
        return Areas(values, low, high, (float("nan"), float("nan")))
    mean = mean_of_defined(values)
    together = float((parts**2).sum()) / (count * defined.sum()) ** 2
    ends = wilson(mean, trials(np.array(mean), np.array(together), np.min(fewest[defined])))
    return Areas(values, low, high, (float(ends[0]), float(ends[1])))


def placements(member: NDArray[np.bool_], scores: NDArray[np.floating[Any]]) -> Floats:
    """Of each member the share of others that score less, of each other the share of members that score
    more, (N,); ties are half. The mean over members, or over others, is the area."""
    order = np.argsort(scores)
    ordered, inside = scores[order], member[order]
    new = np.concatenate([[True], ordered[1:] != ordered[:-1]])
    starts, tied = np.flatnonzero(new), np.cumsum(new) - 1
    members = np.add.reduceat(inside.astype(np.float64), starts)
    others = np.diff(np.append(starts, len(scores))) - members
    below = (np.cumsum(others) - others / 2) / others.sum()
    above = 1 - (np.cumsum(members) - members / 2) / members.sum()
    placed = np.empty(len(scores))
    placed[order] = np.where(inside, below[tied], above[tied])
    return placed


def variance(values: Floats) -> float:
    """Of the mean of these, which are two at least."""
    return float(values.var(ddof=1)) / len(values)


def trials(values: Floats, variances: Floats, fewest: Floats) -> Floats:
    """How many trials give a share this variance, at least `fewest`."""
    known = variances > 0
    worth = np.divide(values * (1 - values), variances, out=np.array(fewest), where=known)
    return np.maximum(worth, fewest)
