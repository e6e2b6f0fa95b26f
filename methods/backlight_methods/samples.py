"""Mean and spread of samples that come in chunks, and how far off the mean is likely to be."""

from dataclasses import dataclass
from math import pi, sqrt
from typing import Self, final

import numpy as np
from numpy.typing import NDArray

from backlight import Objective, Result
from backlight.explaining.zeros import numbers
from backlight.values.arrays import Array, shape_of
from backlight.values.tree import Tree, concat, map_leaves, sum_per_example
from backlight_methods.per_example import Numbers, chooser, norms, relative


@final
@dataclass(frozen=True)
class Samples:
    """What is known of the samples seen so far.

    Attributes:
        objective: whose values they are.
        mean: of each value, shape (N, ...).
        spread: sum of squared deviations of each value from its mean, shape (N, ...).
        sums: the sum of each sample's values, float64, shape (count, N).
        scores: the score and the baseline score of each sample, float64, shape (count, 2, N), where its
            values sum to their difference.
        gap_errors: the standard error of each sample's gap, float64, shape (count, N), where it has one.
        kept: the samples themselves in chunks, (count of these, N, ...), where they are kept.
        advice, warnings: as of `Result`.
    """

    objective: Objective
    mean: Tree
    spread: Tree
    sums: Numbers
    scores: Numbers | None
    gap_errors: Numbers | None
    kept: tuple[Tree, ...]
    advice: str | None
    warnings: tuple[str, ...]

    @classmethod
    def of(cls, objective: Objective, result: Result, keep: bool = False) -> Self:
        """Of one chunk: a result for the objective's examples so many times over, sample by sample."""
        arrays, model, rows = objective.arrays, objective.model, (-1, objective.count)

        def fold(leaf: Array) -> Array:
            count = shape_of(leaf)[0] // objective.count
            return arrays.reshape(leaf, (count, objective.count, *shape_of(leaf)[1:]))

        values = map_leaves(fold, result.values)
        mean = map_leaves(lambda leaf: arrays.mean(leaf, axis=0), values)
        spread = map_leaves(
            lambda leaf, m: arrays.sum((leaf - m[None, ...]) ** 2, axis=0), values, mean
        )
        sums = numbers(model, sum_per_example(result.values, arrays)).reshape(rows)
        scores = None
        if result.baseline_score is not None and result.score is not None:
            both = result.score, result.baseline_score
            scores = np.stack([numbers(model, one).reshape(rows) for one in both], axis=1)
        gap_errors = result.standard_error_of_gap
        return cls(
            objective,
            mean,
            spread,
            sums,
            scores,
            None if gap_errors is None else gap_errors.reshape(rows),
            (values,) if keep else (),
            result.advice,
            result.warnings,
        )

    def joined(self, more: Self) -> Self:
        """With those of another chunk.

        Chan, Golub, LeVeque, "Updating formulae and a pairwise algorithm for computing sample variances"
        (1979): no difference of large sums, so that float32 keeps its digits.
        """
        share = more.count / (self.count + more.count)
        step = map_leaves(lambda a, b: b - a, self.mean, more.mean)
        mean = map_leaves(lambda m, d: m + d * share, self.mean, step)
        spread = map_leaves(
            lambda s, n, d: s + n + d * d * (self.count * share), self.spread, more.spread, step
        )
        return type(self)(
            self.objective,
            mean,
            spread,
            np.concatenate([self.sums, more.sums]),
            both(self.scores, more.scores),
            both(self.gap_errors, more.gap_errors),
            self.kept + more.kept,
            self.advice,
            tuple(dict.fromkeys(self.warnings + more.warnings)),
        )

    def take(self, rows: NDArray[np.int64]) -> Self:
        """Of some of the examples; what is kept is left behind."""
        chosen = chooser(self.objective, rows)
        return type(self)(
            self.objective.take(rows),
            map_leaves(chosen, self.mean),
            map_leaves(chosen, self.spread),
            self.sums[:, rows],
            None if self.scores is None else self.scores[..., rows],
            None if self.gap_errors is None else self.gap_errors[:, rows],
            (),
            self.advice,
            self.warnings,
        )

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self.sums)

    @property
    def each(self) -> Tree | None:
        """The samples themselves, shape (count, N, ...), where they are kept."""
        return concat(self.kept, self.objective.arrays) if self.kept else None

    @property
    def standard_error(self) -> Tree | None:
        """Of each mean value, shape (N, ...); None of a single sample."""
        count, sqrt_of = self.count, self.objective.arrays.sqrt
        if count < 2:
            return None
        return map_leaves(lambda one: sqrt_of(one) / sqrt(count * (count - 1)), self.spread)

    @property
    def standard_error_of_sum(self) -> Numbers | None:
        """Of the sum of each example's mean values, shape (N,); None of a single sample."""
        return self.sums.std(axis=0, ddof=1) / sqrt(self.count) if self.count > 1 else None

    @property
    def error(self) -> Numbers | None:
        """The expected relative L1 error of each example's mean values, shape (N,); None of a single
        sample. The mean of |e| is sqrt(2 / pi) standard errors where e is normal."""
        if self.count < 2:
            return None
        deviation = norms(self.objective, map_leaves(self.objective.arrays.sqrt, self.spread))
        off = deviation * sqrt(2 / pi / self.count / (self.count - 1))
        return relative(off, norms(self.objective, self.mean), self.objective)


def both(some: Numbers | None, more: Numbers | None) -> Numbers | None:
    """Rows of two chunks; None where one of them has none."""
    return None if some is None or more is None else np.concatenate([some, more])
