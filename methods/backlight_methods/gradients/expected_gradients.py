"""Expected gradients: E over baselines x' and a in [0, 1] of (x - x') * d score(x' + a (x - x')) / d x.

Erion, Janizek, Sturmfels, Lundberg, Lee, "Improving performance of deep learning models with axiomatic
attribution priors and expected gradients" (2019), section 2; also known as GradientSHAP.
"""

from dataclasses import dataclass
from typing import final

import numpy as np

from backlight import Method, Objective, Result
from backlight.errors import is_whole, require
from backlight.values.baselines import Baseline, require_baseline
from backlight.values.noise import choice, uniform
from backlight.values.tree import Tree, map_leaves
from backlight_methods.gradients.integrated_gradients import mean_score
from backlight_methods.gradients.samples import Samples


@final
@dataclass(frozen=True, kw_only=True)
class ExpectedGradients(Method):
    """Integrated gradients averaged over a distribution of baselines, one random step each.

    Args:
        samples: gradients per example, at least 1; each draws a baseline and a place on the path.
        baseline: the baselines to draw from, usually `Several(background)`.
        seed: of the draws, which are the same on every framework and for every example.

    Law: in expectation, the values of an example sum to its score minus the mean score of the
        baselines; the gap that is reported shrinks as 1 / sqrt(samples).
    Cost: `samples` forward and backward passes, and a forward pass for each baseline drawn.
    """

    samples: int = 200
    baseline: Baseline = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        require(is_whole(self.samples) and self.samples >= 1, self, "samples", "at least 1")
        require(is_whole(self.seed) and self.seed >= 0, self, "seed", "at least 0")
        require_baseline(self)

    @property
    def linear(self) -> bool:
        return True

    def attribute(self, objective: Objective) -> Result:
        references = objective.references(self.baseline)
        drawn = [choice(self.seed, sample, len(references)) for sample in range(self.samples)]
        found: Samples | None = None
        for chunk in objective.chunks(self.samples):
            starts = objective.stacked([references[drawn[sample]] for sample in chunk])
            more = Samples.of(objective, self._draws(objective, starts, chunk))
            found = more if found is None else found.joined(more)
        if found is None:
            raise AssertionError("unreachable: samples is at least 1")
        used, times = np.unique(drawn, return_counts=True)
        start = mean_score(objective, [references[one] for one in used], times / self.samples)
        return Result(
            found.mean,
            baseline_score=start,
            error=found.error(),
            standard_error=found.standard_error(),
            standard_error_of_sum=found.standard_error_of_sum(),
            advice="Raise samples: the gap shrinks as 1 / sqrt(samples).",
        )

    def _draws(self, objective: Objective, starts: Tree, chunk: range) -> Tree:
        """(x - x') times the gradient for each sample of the chunk, shape (samples, N, ...)."""
        places = np.array([uniform(self.seed, sample) for sample in chunk])
        way = map_leaves(lambda x, b: x[None, ...] - b, objective.value, starts)
        points = map_leaves(
            lambda b, w: b + objective.column(places, like=w[0, ...]) * w, starts, way
        )
        return map_leaves(lambda w, g: w * g, way, objective.gradient(points).gradient)
