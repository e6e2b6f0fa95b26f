"""Expected gradients: E over baselines x' and a in [0, 1] of (x - x') * d score(x' + a (x - x')) / d x.

Erion, Janizek, Sturmfels, Lundberg, Lee, "Improving performance of deep learning models with axiomatic
attribution priors and expected gradients" (2019), section 2; also known as GradientSHAP.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, final

import numpy as np

from backlight import Objective, Result, Score
from backlight.values.arrays import Array, shape_of
from backlight.values.baselines import Baseline, require_baseline
from backlight.values.noise import choice, uniform
from backlight.values.tree import map_leaves
from backlight_methods.gradients.integrated_gradients import mean_scores
from backlight_methods.gradients.paths import Paths
from backlight_methods.multipliers import require_multipliers, terms_of
from backlight_methods.samples import Samples
from backlight_methods.sampling import MeanMethod


@final
@dataclass(frozen=True, kw_only=True)
class ExpectedGradients(MeanMethod):
    """Integrated gradients averaged over a distribution of baselines, one random step each.

    Args:
        samples: gradients per example, at least 1; each draws a baseline and a place on the path.
        baseline: the baselines to draw from, usually `Several(background)` or `Drawn(background)`.
        tolerance: draws more, for the examples that need them, until the largest standard error of an
            example's values is at most this share of the score's change; None for no more.
        floor: what the tolerance is a share of at least, in the score's units.
        maximum_samples: where the tolerance gives up, with a warning.
        seed: of the draws, which are the same on every framework and for every example.
        keep: "each" keeps each sample's values as well, as `Attribution.each`: `samples` times the
            memory of the values.
        multipliers: leave out the factor x - x': the mean gradient. Nothing is summed up to then.
        hypothetical: of one-hot inputs, what each letter would count for in its place, also those that
            are not there; times the input, these sum to score - baseline score.

    Law: in expectation, the values of an example sum to its score minus the mean score of the
        baselines; the gap that is reported shrinks as 1 / sqrt(samples).
    Cost: `samples` forward and backward passes, and a forward pass for each baseline drawn.
    """

    least: ClassVar[int] = 1

    samples: int = 200
    baseline: Baseline = 0.0
    multipliers: bool = False
    hypothetical: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        require_multipliers(self)
        require_baseline(self)

    def attribute_each(self, objective: Objective, targets: Sequence[Score]) -> list[Result]:
        results = super().attribute_each(objective, targets)
        if self.multipliers or self.hypothetical:
            return [replace(result, baseline_score=None) for result in results]
        return results

    def drawn(self, objective: Objective, targets: Sequence[Score], samples: range) -> list[Result]:
        """The terms of each sample, (x - x') times the gradient where nothing else is asked."""
        paths = Paths(objective, objective.references(self.baseline))
        chosen = [choice(self.seed, sample, len(paths.references)) for sample in samples]
        places = np.array([uniform(self.seed, sample) for sample in samples])
        points, ways = paths.points(chosen, places)
        terms = terms_of(objective, self.multipliers, self.hypothetical)

        def flat(leaf: Array) -> Array:
            return objective.arrays.reshape(leaf, (-1, *shape_of(leaf)[2:]))

        found = objective.gradients(targets, points)
        return [Result(map_leaves(flat, terms(ways, one.gradient))) for one in found]

    def results(
        self, objective: Objective, targets: Sequence[Score], found: Sequence[Samples]
    ) -> list[Result]:
        references, count = objective.references(self.baseline), found[0].count
        drawn = [choice(self.seed, sample, len(references)) for sample in range(count)]
        used, times = np.unique(drawn, return_counts=True)
        starts = mean_scores(objective, targets, [references[one] for one in used], times / count)
        return [
            Result(
                one.mean,
                score,
                start,
                error=one.error,
                standard_error=one.standard_error,
                standard_error_of_sum=one.standard_error_of_sum,
                standard_error_of_gap=one.standard_error_of_sum,
                each=one.each,
                advice="Raise samples: the gap shrinks as 1 / sqrt(samples).",
            )
            for one, score, start in zip(found, objective.scores(targets), starts, strict=True)
        ]
