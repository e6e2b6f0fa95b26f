"""What was found for a block of examples, its numbers on the host, and blocks joined to a batch."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np

from backlight.explaining.completeness import Sums, gap_notes, rounding
from backlight.explaining.objective import Objective
from backlight.explaining.result import Result
from backlight.explaining.zeros import NonZero, Numbers, numbers
from backlight.model.model import Model
from backlight.values.arrays import Array, widened
from backlight.values.tree import Tree, concat, map_leaves, sum_per_example


@final
@dataclass(frozen=True)
class Measured:
    """A result with what was measured on it: float64, shape (N,), on the host.

    Attributes:
        values, score, baseline_score, error, standard_error, standard_error_of_sum,
            standard_error_of_gap, r_squared, each, advice, warnings: as of `Result`.
        gap: |sum of values - (score - baseline score)|, where there is a baseline score.
        size: sum of |values|, where there is one.
        nonzero: where values are not exactly 0.
        operations: how many lie between the inputs and the score, 1 where that is not known.
        precision: the distance from 1 to the next number of the dtype that the net computes in; 0 where
            nothing is summed up to.
    """

    values: Tree
    score: Numbers
    nonzero: NonZero
    baseline_score: Numbers | None
    gap: Numbers | None
    size: Numbers | None
    error: Numbers | None
    standard_error: Tree | None
    standard_error_of_sum: Numbers | None
    standard_error_of_gap: Numbers | None
    r_squared: Numbers | None
    each: Tree | None
    advice: str | None
    warnings: tuple[str, ...]
    operations: int
    precision: float

    @property
    def sums(self) -> Sums | None:
        """What the values sum to, where the technique promises that."""
        if self.gap is None or self.size is None or self.baseline_score is None:
            return None
        change = np.abs(self.score - self.baseline_score)
        scores = np.abs(self.score) + np.abs(self.baseline_score)
        return Sums(
            self.gap,
            change,
            scores,
            self.size,
            self.precision,
            self.standard_error_of_gap,
            self.operations,
        )

    @property
    def is_exact(self) -> bool:
        """Whether the values sum to the change of the score, but for rounding: nothing is missing."""
        return self.sums is not None and bool((self.sums.gap <= rounding(self.sums)).all())

    def gap_notes(self) -> tuple[str, ...]:
        """What is to be said about sums that are off."""
        return () if self.sums is None else gap_notes(self.sums, self.advice)


def measure(objective: Objective, result: Result, score: Array) -> Measured:
    """The result for one block with its numbers on the host and its completeness measured."""
    model = objective.model

    def wide(tree: Tree) -> Tree:
        return map_leaves(lambda leaf: widened(leaf, model.arrays), tree)

    values = wide(result.values)
    host = numbers(model, score)
    baseline = gap = size = None
    if result.baseline_score is not None:
        baseline = numbers(model, result.baseline_score)
        total = numbers(model, sum_per_example(values, model.arrays))
        gap = np.abs(total - (host - baseline))
        absolute = map_leaves(model.arrays.abs, values)
        size = numbers(model, sum_per_example(absolute, model.arrays))
    return Measured(
        values=values,
        score=host,
        nonzero=NonZero.of(values, model),
        baseline_score=baseline,
        gap=gap,
        size=size,
        error=result.error,
        standard_error=None if result.standard_error is None else wide(result.standard_error),
        standard_error_of_sum=result.standard_error_of_sum,
        standard_error_of_gap=result.standard_error_of_gap,
        r_squared=result.r_squared,
        each=None if result.each is None else wide(result.each),
        advice=result.advice,
        warnings=result.warnings,
        operations=1 if objective.structure is None else objective.structure.operations,
        precision=0.0 if gap is None else objective.precision,
    )


def joined(found: Sequence[Measured], model: Model) -> Measured:
    """The results for the blocks of a batch as one."""
    spreads = [one.standard_error for one in found if one.standard_error is not None]
    each = [one.each for one in found if one.each is not None]
    return Measured(
        values=concat([one.values for one in found], model.arrays),
        score=np.concatenate([one.score for one in found]),
        nonzero=NonZero.joined([one.nonzero for one in found]),
        baseline_score=column([one.baseline_score for one in found]),
        gap=column([one.gap for one in found]),
        size=column([one.size for one in found]),
        error=column([one.error for one in found]),
        standard_error=None if len(spreads) < len(found) else concat(spreads, model.arrays),
        standard_error_of_sum=column([one.standard_error_of_sum for one in found]),
        standard_error_of_gap=column([one.standard_error_of_gap for one in found]),
        r_squared=column([one.r_squared for one in found]),
        each=None if len(each) < len(found) else concat(each, model.arrays, axis=1),
        advice=found[0].advice,
        warnings=tuple(dict.fromkeys(note for one in found for note in one.warnings)),
        operations=found[0].operations,
        precision=max(one.precision for one in found),
    )


def column(parts: Sequence[Numbers | None]) -> Numbers | None:
    """One column of a batch from its blocks'; None unless each block has it."""
    present = [part for part in parts if part is not None]
    return np.concatenate(present) if len(present) == len(parts) else None
