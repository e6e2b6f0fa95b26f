"""Expected gradients: E over baselines x' and a in [0, 1] of (x - x') * d score(x' + a (x - x')) / d x.

Erion, Janizek, Sturmfels, Lundberg, Lee, "Improving performance of deep learning models with axiomatic
attribution priors and expected gradients" (2019), section 2; also known as GradientSHAP.
"""

from dataclasses import dataclass, replace
from typing import final

import numpy as np
from numpy.typing import NDArray

from backlight import Method, Objective, Result
from backlight.explaining.zeros import numbers
from backlight.values.arrays import Array
from backlight.values.baselines import Baseline, require_baseline
from backlight.values.noise import choice, uniform
from backlight.values.tree import Tree, map_leaves
from backlight_methods.gradients.integrated_gradients import mean_score
from backlight_methods.gradients.samples import Samples, largest_error, replaced
from backlight_methods.per_example import named
from backlight_methods.sampling import require_sampling


@final
@dataclass(frozen=True, kw_only=True)
class ExpectedGradients(Method):
    """Integrated gradients averaged over a distribution of baselines, one random step each.

    Args:
        samples: gradients per example, at least 1; each draws a baseline and a place on the path.
        baseline: the baselines to draw from, usually `Several(background)`.
        tolerance: draws more, for the examples that need them, until the largest standard error of an
            example's values is at most this share of the score's change; None for no more.
        floor: what the tolerance is a share of at least, in the score's units.
        maximum_samples: where the tolerance gives up, with a warning.
        seed: of the draws, which are the same on every framework and for every example.

    Law: in expectation, the values of an example sum to its score minus the mean score of the
        baselines; the gap that is reported shrinks as 1 / sqrt(samples).
    Cost: `samples` forward and backward passes, and a forward pass for each baseline drawn.
    """

    samples: int = 200
    baseline: Baseline = 0.0
    tolerance: float | None = None
    floor: float = 1e-3
    maximum_samples: int = 20_000
    seed: int = 0

    def __post_init__(self) -> None:
        require_sampling(self, least=1)
        require_baseline(self)

    @property
    def linear(self) -> bool:
        return self.tolerance is None  # which draws as many as the score needs

    def attribute(self, objective: Objective) -> Result:
        found = self._drawn(objective, range(self.samples), None)
        result = self._result(objective, found)
        if self.tolerance is None:
            return result
        part, rows, samples = objective, np.arange(objective.count), self.samples
        score = objective.score()
        far = self._far(objective, result, score)
        while far[rows].any() and samples < self.maximum_samples:
            still = np.flatnonzero(far[rows])
            if len(still) < len(rows) and not objective.whole:
                part, found, rows = part.take(still), found.take(still), rows[still]
            more = range(samples, min(2 * samples, self.maximum_samples))
            samples = more.stop
            found = self._drawn(part, more, found)
            result = replaced(objective, result, self._result(part, found), rows)
            far = self._far(objective, result, score)
        if not far.any():
            return result
        note = (
            f"{self.maximum_samples} samples did not bring the standard errors of "
            f"{named(objective, np.flatnonzero(far))} to {self.tolerance:g} of the score's change. Raise "
            "maximum_samples or tolerance."
        )
        return replace(result, warnings=(*result.warnings, note))

    def _far(self, objective: Objective, result: Result, score: Array) -> NDArray[np.bool_]:
        """Which examples' standard errors are larger than the tolerance allows."""
        assert result.baseline_score is not None
        change = np.abs(numbers(objective.model, score - result.baseline_score))
        allowed = (self.tolerance or 0.0) * np.maximum(change, self.floor)
        return ~(largest_error(objective, result) <= allowed)

    def _drawn(self, objective: Objective, samples: range, before: Samples | None) -> Samples:
        """The samples of these numbers, after those that are there already."""
        references = objective.references(self.baseline)
        found = before
        for chunk in objective.chunks(len(samples)):
            part = samples[chunk.start : chunk.stop]
            drawn = [choice(self.seed, sample, len(references)) for sample in part]
            starts = objective.stacked([references[one] for one in drawn])
            more = Samples.of(objective, self._values(objective, starts, part))
            found = more if found is None else found.joined(more)
        if found is None:
            raise AssertionError("unreachable: samples is at least 1")
        return found

    def _result(self, objective: Objective, found: Samples) -> Result:
        references, samples = objective.references(self.baseline), len(found.sums)
        drawn = [choice(self.seed, sample, len(references)) for sample in range(samples)]
        used, times = np.unique(drawn, return_counts=True)
        start = mean_score(objective, [references[one] for one in used], times / samples)
        return Result(
            found.mean,
            baseline_score=start,
            error=found.error(),
            standard_error=found.standard_error(),
            standard_error_of_sum=found.standard_error_of_sum(),
            advice="Raise samples: the gap shrinks as 1 / sqrt(samples).",
        )

    def _values(self, objective: Objective, starts: Tree, samples: range) -> Tree:
        """(x - x') times the gradient for each of these samples, shape (samples, N, ...)."""
        places = np.array([uniform(self.seed, sample) for sample in samples])
        way = map_leaves(lambda x, b: x[None, ...] - b, objective.value, starts)
        points = map_leaves(
            lambda b, w: b + objective.column(places, like=w[0, ...]) * w, starts, way
        )
        return map_leaves(lambda w, g: w * g, way, objective.gradient(points).gradient)
