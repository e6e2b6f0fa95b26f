"""Several scores of the same examples at once."""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from backlight.errors import TargetError, is_whole
from backlight.scores.class_scores import Class, ClassScore
from backlight.scores.scores import Classes, Score
from backlight.values.arrays import Array, Arrays
from backlight.values.outputs import Outputs, Path


@final
@dataclass(frozen=True)
class Top:
    """The classes with the highest outputs of each example, as so many targets, the highest first.

    Args:
        count: how many, at least 1.
        score: what is explained of each class: `Class`, `Logit`, `Probability` or `LogProbability`.
        path: where the (N, classes) array is among several outputs.
    """

    count: int
    score: Callable[[Classes, Path], ClassScore] = Class
    path: Path = None

    def __post_init__(self) -> None:
        if not is_whole(self.count) or self.count < 1:
            raise TargetError(
                f"Top takes how many classes to explain, at least 1; got {self.count!r}."
            )


@final
@dataclass(frozen=True, eq=False)
class Stacked(Score):
    """Bound scores side by side, (N, scores) where another score gives (N,): one pass gives all.

    `Model.score` takes it; what differentiates takes them apart, see `Model.gradients`.

    Args:
        scores: that read the same outputs, or the same site, and are of one dtype.
    """

    scores: tuple[Score, ...]

    @property
    def site(self) -> str | None:
        return self.scores[0].site

    @property
    def recipe(self) -> Hashable:
        return (Stacked, *(score.recipe for score in self.scores))

    def bind(self, outputs: Outputs, count: int) -> "Stacked":
        return Stacked(tuple(score.bind(outputs, count) for score in self.scores))

    def operands(self) -> tuple[NDArray[np.generic], ...]:
        return tuple(operand for score in self.scores for operand in score.operands())

    def take(self, rows: NDArray[np.int64]) -> "Stacked":
        return Stacked(tuple(score.take(rows) for score in self.scores))

    def evaluate(self, outputs: object, operands: Sequence[Array], arrays: Arrays) -> Array:
        columns, left = [], list(operands)
        for score in self.scores:
            own = [left.pop(0) for _ in score.operands()]
            columns.append(score.evaluate(outputs, own, arrays)[:, None])
        return arrays.concat(columns, axis=1)


def stackable(scores: Sequence[Score], most: int | None = None) -> list[list[int]]:
    """Positions of scores that one pass can give together: those of classes of the same output.

    Args:
        scores: bound.
        most: how many at a time; None for all.
    """
    groups: dict[Hashable, list[int]] = {}
    for position, score in enumerate(scores):
        alike = (score.site, score.path) if isinstance(score, ClassScore) else position
        groups.setdefault(alike, []).append(position)
    return [
        group[first : first + (most or len(group))]
        for group in groups.values()
        for first in range(0, len(group), most or len(group))
    ]


def differences(scores: Sequence[Score]) -> dict[int, tuple[int, int]]:
    """Which of these bound scores are a difference of two others: position -> (one, minus another)."""

    def place(wanted: Score) -> int | None:
        alike = (at for at, score in enumerate(scores) if same(score, wanted))
        return next(alike, None)

    found = {}
    for position, score in enumerate(scores):
        parts = score.difference
        if parts is not None:
            minuend, subtrahend = map(place, parts)
            if minuend is not None and subtrahend is not None:
                found[position] = (minuend, subtrahend)
    return found


def same(one: Score, other: Score) -> bool:
    """Whether bound scores are the same number for every example."""
    pairs = zip(one.operands(), other.operands(), strict=False)
    return one.recipe == other.recipe and all(np.array_equal(a, b) for a, b in pairs)
