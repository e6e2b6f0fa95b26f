"""Expected gradients: E over baselines x' and a in [0, 1] of (x - x') * d score(x' + a (x - x')) / d x.

Erion, Janizek, Sturmfels, Lundberg, Lee, "Improving performance of deep learning models with axiomatic
attribution priors and expected gradients" (2019), section 2; also known as GradientSHAP.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import final

import numpy as np
from numpy.typing import NDArray

from backlight import JointMethod, Objective, Result, Score
from backlight.explaining.zeros import numbers
from backlight.values.arrays import Array
from backlight.values.baselines import Baseline, require_baseline
from backlight.values.noise import choice, uniform
from backlight.values.tree import Tree
from backlight_methods.gradients.integrated_gradients import mean_scores
from backlight_methods.gradients.paths import Paths
from backlight_methods.gradients.samples import Samples, largest_error, replaced
from backlight_methods.multipliers import require_multipliers, terms_of
from backlight_methods.per_example import named
from backlight_methods.sampling import require_sampling


@final
@dataclass(frozen=True, kw_only=True)
class ExpectedGradients(JointMethod):
    """Integrated gradients averaged over a distribution of baselines, one random step each.

    Args:
        samples: gradients per example, at least 1; each draws a baseline and a place on the path.
        baseline: the baselines to draw from, usually `Several(background)` or `Drawn(background)`.
        tolerance: draws more, for the examples that need them, until the largest standard error of an
            example's values is at most this share of the score's change; None for no more.
        floor: what the tolerance is a share of at least, in the score's units.
        maximum_samples: where the tolerance gives up, with a warning.
        seed: of the draws, which are the same on every framework and for every example.
        multipliers: leave out the factor x - x': the mean gradient. Nothing is summed up to then.
        hypothetical: of one-hot inputs, what each letter would count for in its place, also those that
            are not there; times the input, these sum to score - baseline score.

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
    multipliers: bool = False
    hypothetical: bool = False

    def __post_init__(self) -> None:
        require_multipliers(self)
        require_sampling(self, least=1)
        require_baseline(self)

    @property
    def linear(self) -> bool:
        return self.tolerance is None  # which draws as many as the score needs

    @property
    def differentiable(self) -> bool:
        return self.tolerance is None

    def attribute_each(self, objective: Objective, targets: Sequence[Score]) -> list[Result]:
        drawn = self._drawn(objective, targets, range(self.samples), [])
        results = self._results(objective, targets, drawn)
        if self.tolerance is not None:
            results = [
                self._continued(objective.with_target(target), result, samples)
                for target, result, samples in zip(targets, results, drawn, strict=True)
            ]
        if self.multipliers or self.hypothetical:
            return [replace(result, baseline_score=None) for result in results]
        return results

    def _continued(self, objective: Objective, result: Result, found: Samples) -> Result:
        """With more samples, for the examples that need them, until the tolerance is met."""
        part, rows, samples = objective, np.arange(objective.count), self.samples
        score = objective.score()
        far = self._far(objective, result, score)
        while far[rows].any() and samples < self.maximum_samples:
            still = np.flatnonzero(far[rows])
            if len(still) < len(rows) and not objective.whole:
                part, found, rows = part.take(still), found.take(still), rows[still]
            more = range(samples, min(2 * samples, self.maximum_samples))
            samples = more.stop
            (found,) = self._drawn(part, (part.target,), more, [found])
            (better,) = self._results(part, (part.target,), [found])
            result = replaced(objective, result, better, rows)
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

    def _drawn(
        self,
        objective: Objective,
        targets: Sequence[Score],
        samples: range,
        before: Sequence[Samples],
    ) -> list[Samples]:
        """For each target the samples of these numbers, after those that are there already."""
        found = list(before)
        paths = Paths(objective, objective.references(self.baseline))
        for chunk in objective.chunks(len(samples)):
            draws = self._values(paths, targets, samples[chunk.start : chunk.stop])
            more = [Samples.of(objective, values) for values in draws]
            found = [a.joined(b) for a, b in zip(found, more, strict=True)] if found else more
        return found

    def _results(
        self, objective: Objective, targets: Sequence[Score], found: Sequence[Samples]
    ) -> list[Result]:
        references, samples = objective.references(self.baseline), len(found[0].sums)
        drawn = [choice(self.seed, sample, len(references)) for sample in range(samples)]
        used, times = np.unique(drawn, return_counts=True)
        chosen = [references[one] for one in used]
        starts = mean_scores(objective, targets, chosen, times / samples)
        return [
            Result(
                one.mean,
                baseline_score=start,
                error=one.error(),
                standard_error=one.standard_error(),
                standard_error_of_sum=one.standard_error_of_sum(),
                advice="Raise samples: the gap shrinks as 1 / sqrt(samples).",
            )
            for one, start in zip(found, starts, strict=True)
        ]

    def _values(self, paths: Paths, targets: Sequence[Score], samples: range) -> list[Tree]:
        """The terms of each of these samples, (x - x') times the gradient where nothing else is asked,
        shape (samples, N, ...), for each target."""
        chosen = [choice(self.seed, sample, len(paths.references)) for sample in samples]
        places = np.array([uniform(self.seed, sample) for sample in samples])
        points, ways = paths.points(chosen, places)
        terms = terms_of(paths.objective, self.multipliers, self.hypothetical)
        return [terms(ways, found.gradient) for found in paths.objective.gradients(targets, points)]
