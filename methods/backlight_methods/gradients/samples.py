"""Mean and spread of samples that come in chunks, and how far off the mean is likely to be."""

from dataclasses import dataclass, replace
from math import pi, sqrt
from typing import Self, final

import numpy as np
from numpy.typing import NDArray

from backlight import Objective, Result
from backlight.explaining.zeros import numbers
from backlight.values.arrays import shape_of
from backlight.values.tree import Tree, leaves, map_leaves, sum_per_example
from backlight_methods.per_example import chooser, norms, relative, replace_rows


@final
@dataclass(frozen=True)
class Samples:
    """What is known of the samples seen so far.

    Attributes:
        objective: whose values they are.
        mean: of each value, shape (N, ...).
        spread: sum of squared deviations of each value from its mean, shape (N, ...).
        sums: the sum of each sample's values, float64, shape (count, N).
    """

    objective: Objective
    mean: Tree
    spread: Tree
    sums: NDArray[np.float64]

    @classmethod
    def of(cls, objective: Objective, values: Tree) -> Self:
        """Of one chunk, shape (count, N, ...)."""
        arrays = objective.arrays
        mean = map_leaves(lambda leaf: arrays.mean(leaf, axis=0), values)
        spread = map_leaves(
            lambda leaf, m: arrays.sum((leaf - m[None, ...]) ** 2, axis=0), values, mean
        )
        flat = map_leaves(lambda leaf: arrays.reshape(leaf, (-1, *shape_of(leaf)[2:])), values)
        sums = numbers(objective.model, sum_per_example(flat, arrays))
        return cls(objective, mean, spread, sums.reshape(-1, objective.count))

    def joined(self, more: Self) -> Self:
        """With those of another chunk.

        Chan, Golub, LeVeque, "Updating formulae and a pairwise algorithm for computing sample variances"
        (1979): no difference of large sums, so that float32 keeps its digits.
        """
        share = len(more.sums) / (len(self.sums) + len(more.sums))
        step = map_leaves(lambda a, b: b - a, self.mean, more.mean)
        mean = map_leaves(lambda m, d: m + d * share, self.mean, step)
        spread = map_leaves(
            lambda s, n, d: s + n + d * d * (len(self.sums) * share), self.spread, more.spread, step
        )
        return type(self)(self.objective, mean, spread, np.concatenate([self.sums, more.sums]))

    def take(self, rows: NDArray[np.int64]) -> Self:
        """Of some of the examples."""
        chosen = chooser(self.objective, rows)
        return type(self)(
            self.objective.take(rows),
            map_leaves(chosen, self.mean),
            map_leaves(chosen, self.spread),
            self.sums[:, rows],
        )

    def standard_error(self) -> Tree | None:
        """Of each mean value, shape (N, ...); None of a single sample."""
        count, sqrt_of = len(self.sums), self.objective.arrays.sqrt
        if count < 2:
            return None
        return map_leaves(lambda one: sqrt_of(one) / sqrt(count * (count - 1)), self.spread)

    def standard_error_of_sum(self) -> NDArray[np.float64] | None:
        """Of the sum of each example's mean values, shape (N,); None of a single sample."""
        count = len(self.sums)
        return self.sums.std(axis=0, ddof=1) / sqrt(count) if count > 1 else None

    def error(self) -> NDArray[np.float64] | None:
        """The expected relative L1 error of each example's mean values, shape (N,); None of a single
        sample. The mean of |e| is sqrt(2 / pi) standard errors where e is normal."""
        count = len(self.sums)
        if count < 2:
            return None
        deviation = norms(self.objective, map_leaves(self.objective.arrays.sqrt, self.spread))
        off = deviation * sqrt(2 / pi / count / (count - 1))
        return relative(off, norms(self.objective, self.mean), self.objective)


def largest_error(objective: Objective, result: Result) -> NDArray[np.float64]:
    """The largest standard error of each example's values, shape (N,); infinite where none is known."""
    if result.standard_error is None:
        return np.full(objective.count, np.inf)
    arrays, found = objective.arrays, []
    for leaf in leaves(result.standard_error):
        flat = arrays.reshape(leaf, (objective.count, -1))
        found.append(numbers(objective.model, arrays.max(flat, axis=1)))
    return np.asarray(np.max(found, axis=0))


def replaced(objective: Objective, old: Result, new: Result, rows: NDArray[np.int64]) -> Result:
    """A result with what was found anew for some of its examples."""

    def tree(one: Tree | None, other: Tree | None) -> Tree | None:
        if one is None or other is None:
            return other if len(rows) == objective.count else None
        return replace_rows(objective, one, other, rows)

    def column(
        one: NDArray[np.float64] | None, other: NDArray[np.float64] | None
    ) -> NDArray[np.float64] | None:
        if one is None or other is None:
            return other if len(rows) == objective.count else None
        found = one.copy()
        found[rows] = other
        return found

    start = tree(old.baseline_score, new.baseline_score)
    values = tree(old.values, new.values)
    assert values is not None
    return replace(
        old,
        values=values,
        baseline_score=None if start is None else leaves(start)[0],
        error=column(old.error, new.error),
        standard_error=tree(old.standard_error, new.standard_error),
        standard_error_of_sum=column(old.standard_error_of_sum, new.standard_error_of_sum),
    )
