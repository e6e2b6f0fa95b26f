"""Removing places in the order of a map, the most relevant first or last."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from backlight import Cost, Metric, Removals, Subject
from backlight.errors import is_whole, require
from backlight.evaluating.perturbed import Ask
from backlight.evaluating.replacement import Replacement, require_replacement

TIES = 7
"""Tells the stream of random orders from others of the seed."""


@dataclass(frozen=True, kw_only=True)
class Removal(Metric):
    """What the metrics share that remove places in the order of a map.

    Args:
        steps: points of a curve beside the first; fewer where there are fewer places.
        baseline: what replaces a place: a number, an array, the mean over `Several`, "blur" or "mean";
            None for that of the evaluation.
        orders: over how many random orders of tied places a curve is averaged.
    """

    steps: int = 20
    baseline: Replacement | None = None
    orders: int = 3

    def __post_init__(self) -> None:
        for field in ("steps", "orders"):
            given = getattr(self, field)
            require(is_whole(given) and given >= 1, self, field, "at least 1")
        require_replacement(self)

    @property
    def unit(self) -> str:
        return "score"

    def cost(self, places: int) -> Cost:
        """One curve."""
        return Cost(forwards=len(removed_counts(places, self.steps)))

    def passes(self, subject: Subject) -> int:
        return 0  # beside its removals

    def walks(self, subject: Subject, *, last: bool = False, ask: Ask = "score") -> list[Removals]:
        """From no place to all of them, the most relevant removed first or last, in each order of tied
        places."""
        removed = removed_counts(subject.layout.count, self.steps)
        return [
            Removals(len(removed), walk(ranked, removed, last), self.baseline, ask)
            for ranked in orders(subject, self.orders)
        ]

    def curves(self, subject: Subject, walks: Sequence[Removals]) -> NDArray[np.float64]:
        """The score on the way, the mean over walks: (n, points)."""
        return np.asarray(np.mean([subject.perturbed.scores(one).T for one in walks], axis=0))

    def area(self, curves: NDArray[np.float64], places: int) -> NDArray[np.float64]:
        """The area under curves over the share of places that is removed, by trapezoids: (n,)."""
        shares = removed_counts(places, self.steps) / places
        heights = (curves[:, 1:] + curves[:, :-1]) / 2
        return np.asarray((heights * np.diff(shares)).sum(axis=1))


_orders: WeakKeyDictionary[Subject, list[NDArray[np.int32]]] = WeakKeyDictionary()
"""Ranks of the maps that are being judged: several metrics walk along them."""


def orders(subject: Subject, most: int) -> list[NDArray[np.int32]]:
    """Ranks in several random orders of tied places; one where nothing is tied."""
    ordered = np.sort(subject.places, axis=1)
    tied = bool((ordered[:, 1:] == ordered[:, :-1]).any())
    wanted, known = most if tied else 1, _orders.setdefault(subject, [])
    known += [ranks(subject, order) for order in range(len(known), wanted)]
    return known[:wanted]


def ranks(subject: Subject, order: int) -> NDArray[np.int32]:
    """The rank of each place, (n, places): 0 for the highest value. Places of one value come in an order
    that is drawn for each example, another for each number `order`.
    """
    places = subject.places
    found = np.empty(places.shape, dtype=np.int32)
    for row, values, rank in zip(subject.objective.rows, places, found, strict=True):
        drawn = subject.generator(TIES, order, int(row)).permutation(len(values))
        sequence = drawn[np.argsort(-values[drawn], kind="stable")]
        rank[sequence] = np.arange(len(values))
    return found


def removed_counts(places: int, steps: int) -> NDArray[np.int64]:
    """How many places are removed at each point of a curve: from none to all, as evenly as whole numbers
    allow."""
    return np.unique(np.rint(np.linspace(0, places, min(steps, places) + 1)).astype(np.int64))


def walk(
    ranked: NDArray[np.int32], removed: NDArray[np.int64], last: bool
) -> Callable[[range], NDArray[np.bool_]]:
    """Which places are gone at some points of a walk.

    Args:
        ranked: see `ranks`.
        removed: how many places, at each point.
        last: whether the least relevant go first.
    """
    order = ranked.shape[1] - 1 - ranked if last else ranked

    def gone(points: range) -> NDArray[np.bool_]:
        return order[None] < removed[points.start : points.stop, None, None]

    return gone
