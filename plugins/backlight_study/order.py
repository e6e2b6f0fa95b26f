"""Whether the classes of the data are in another order than the model's.

A folder per class is read in sorted order, a file of names may be of another version of the model: then
labels mean other classes than the model does, and a report would be of mistakes that are none.

What a class is mostly called is found on one half of its examples and tried on the other half, so that
chance has no part in the answer, however many classes there are. The classes that would trade places are
judged together: in the other order at least half of their examples must be right, and twice as many as
now, each class counting the same; and that beyond `CHANCE`, by a sign test. And with all classes, half of
the examples must be right then: a model that is merely bad or not trained calls some classes by a wrong
name most of the time.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from backlight_study.predictions import Predictions

HALF = 0.5
CHANCE = 1e-4
"""How likely it may be that examples gain and lose by the other order as coins fall."""
MOST_CLASSES = 5_000
"""Beyond so many classes nothing is looked for: the time grows with their cube."""


@final
@dataclass(frozen=True)
class Order:
    """An order of the classes that fits the model much better than the given one.

    Attributes:
        called: for each class of the data, which of the model's outputs is its own.
        correct: how many examples are right in this order.
    """

    called: tuple[int, ...]
    correct: int

    @property
    def moved(self) -> tuple[int, ...]:
        """The classes whose number is another one."""
        return tuple(k for k, place in enumerate(self.called) if place != k)

    def names(self, classes: Sequence[str]) -> list[str]:
        """The names of the classes, given in the order of the data, in the model's order."""
        ordered = list(classes)
        for k, place in enumerate(self.called):
            ordered[place] = classes[k]
        return ordered


@final
@dataclass(frozen=True)
class Gain:
    """What another order is worth for some classes.

    Attributes:
        then, now: the mean over the classes of the share that would be right, and of that which is.
        gained, lost: how many examples would be right that are not, and the other way round.
    """

    then: float
    now: float
    gained: int
    lost: int

    @staticmethod
    def of(
        group: Sequence[int],
        labels: NDArray[np.int64],
        then: NDArray[np.bool_],
        now: NDArray[np.bool_],
    ) -> "Gain":
        here = np.isin(labels, group)
        if not here.any():
            return Gain(0.0, 0.0, 0, 0)
        _, row, size = np.unique(labels[here], return_inverse=True, return_counts=True)
        weight = 1 / size[row] / len(size)
        return Gain(
            float((weight * then[here]).sum()),
            float((weight * now[here]).sum()),
            int((then & ~now)[here].sum()),
            int((now & ~then)[here].sum()),
        )

    @property
    def helps(self) -> bool:
        return self.gained > self.lost

    @property
    def convincing(self) -> bool:
        # Here and not above: it takes time to import, and only a report needs it.
        from scipy.special import bdtrc

        if self.gained <= self.lost or self.then < max(HALF, 2 * self.now):
            return False
        return bool(bdtrc(self.gained - 1, self.gained + self.lost, 0.5) < CHANCE)


def better_order(predictions: Predictions) -> Order | None:
    """The order of the classes that explains the predictions far better; None where the given one is
    right, or where nothing can be said."""
    labels, classes = predictions.labels, predictions.classes
    count = predictions.probabilities.shape[1]
    present = np.unique(labels)
    if len(present) > MOST_CLASSES or (labels == classes).all():
        return None
    half = halves(labels)
    whole, *parts = (
        assigned(labels[rows], classes[rows]) for rows in (half >= 0, half == 0, half == 1)
    )
    # What an example's class is called according to the half that the example is not in.
    called = np.array([parts[1 - side].get(k, k) for side, k in zip(half, labels, strict=True)])
    right, now = classes == called, classes == labels
    groups = circles(whole)
    gains = [Gain.of(group, labels, right, now) for group in groups]
    everyone = Gain.of([k for group in groups for k in group], labels, right, now)
    order = np.arange(count)
    for group, gain in zip(groups, gains, strict=True):
        # One circle may be too few examples to tell, while all of them together do.
        if gain.convincing or (everyone.convincing and gain.helps):
            order[group] = np.roll(group, -1)
    gaining = [
        k for k in present[order[present] != present] if Gain.of([k], labels, right, now).helps
    ]
    if len(gaining) < 2:  # one class with another name may be a model that says one thing only
        return None
    correct = int((order[labels] == classes).sum())
    return Order(tuple(order.tolist()), correct) if correct >= HALF * len(labels) else None


def halves(labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """0 or 1 for each example, half of each class each, in no order that the data may have."""
    shuffled = np.random.default_rng(0).permutation(len(labels))
    by_class = shuffled[np.argsort(labels[shuffled], kind="stable")]
    starts = np.searchsorted(labels[by_class], labels[by_class])
    side = np.empty(len(labels), dtype=np.int64)
    side[by_class] = (np.arange(len(labels)) - starts) % 2
    return side


def assigned(labels: NDArray[np.int64], classes: NDArray[np.int64]) -> dict[int, int]:
    """For each class that is there, the output that says it most often, no output for two classes:
    the assignment with the highest mean share of examples."""
    # Here and not above: it takes time to import, and only a report needs it.
    from scipy.optimize import linear_sum_assignment

    rows, row = np.unique(labels, return_inverse=True)
    columns = np.union1d(rows, classes)
    share = np.zeros((len(rows), len(columns)))
    np.add.at(share, (row, np.searchsorted(columns, classes)), 1.0)
    share /= share.sum(axis=1, keepdims=True)
    # Where nothing speaks for another one, a class keeps its place.
    share[np.arange(len(rows)), np.searchsorted(columns, rows)] += 1e-6
    chosen = linear_sum_assignment(share, maximize=True)
    return {int(rows[i]): int(columns[j]) for i, j in zip(*chosen, strict=True)}


def circles(called: dict[int, int]) -> list[list[int]]:
    """The classes that trade places: each is called what the next one is, the last what the first is.

    A line that ends in a class of which there is no example is closed: that one takes the free place.
    """
    ends = set(called.values())
    starts = [k for k in called if k not in ends]
    found, seen = [], set()
    for start in (*starts, *called):
        group: list[int] = []
        k: int | None = start
        while k is not None and k not in seen:
            seen.add(k)
            group.append(k)
            k = called.get(k)
        if len(group) > 1:
            found.append(group)
    return found
