"""Numbers that say how sure a finding is."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

SIGNIFICANT = 0.01
"""Below this, after correction, chance is no explanation."""


def more_often(
    event: NDArray[np.bool_], inside: NDArray[np.bool_], strata: NDArray[Any] | None = None
) -> float:
    """How likely at least so many events lie inside if inside and outside are alike: the exact
    conditional test for one side (Fisher's; over strata, that of Mantel and Haenszel).

    Args:
        event, inside: (n,).
        strata: (n,) whole numbers; only examples of the same stratum are compared.
    """
    # Here and not above: it takes time to import, and only a study needs it.
    from scipy.special import gammaln

    group = np.zeros(len(event), dtype=np.int64) if strata is None else strata
    _, group = np.unique(group, return_inverse=True)
    count = int(group.max(initial=-1)) + 1
    total = np.bincount(group, minlength=count)
    events = np.bincount(group, weights=event, minlength=count).astype(np.int64)
    sizes = np.bincount(group, weights=inside, minlength=count).astype(np.int64)
    lowest = np.maximum(0, events + sizes - total)
    highest = np.minimum(events, sizes)
    chance = np.ones(1)
    for k in np.flatnonzero(highest > lowest):
        here = np.arange(lowest[k], highest[k] + 1)
        ways = (
            -gammaln(here + 1)
            - gammaln(events[k] - here + 1)
            - gammaln(sizes[k] - here + 1)
            - gammaln(total[k] - events[k] - sizes[k] + here + 1)
        )
        odds = np.exp(ways - ways.max())
        chance = np.convolve(chance, odds / odds.sum())
    seen = int((event & inside).sum() - lowest.sum())
    return float(min(1.0, chance[seen:].sum()))


def corrected(chances: Sequence[float]) -> list[float]:
    """Holm's correction: how likely it is that chance alone brings any that is as unlikely."""
    order = np.argsort(chances, kind="stable")
    found, highest = np.empty(len(chances)), 0.0
    for place, k in enumerate(order):
        highest = max(highest, min(1.0, chances[k] * (len(chances) - place)))
        found[k] = highest
    return [float(one) for one in found]


def interval(events: int, count: int) -> tuple[float, float]:
    """Wilson's interval for a rate, 95 %; everything where there is nothing to count."""
    if count == 0:
        return 0.0, 1.0
    z, rate = 1.959963984540054, events / count
    middle = (rate + z * z / (2 * count)) / (1 + z * z / count)
    half = z / (1 + z * z / count) * np.sqrt(rate * (1 - rate) / count + (z / count / 2) ** 2)
    return max(0.0, float(middle - half)), min(1.0, float(middle + half))


def percent(share: float) -> str:
    """A share for a sentence."""
    return f"{100 * share:.0f} %" if share >= 0.1 or share == 0 else f"{100 * share:.1f} %"
