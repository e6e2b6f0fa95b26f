"""Expected gradients: E over baselines x' and a in [0, 1] of (x - x') * d score(x' + a (x - x')) / d x.

Erion, Janizek, Sturmfels, Lundberg, Lee, "Improving performance of deep learning models with axiomatic
attribution priors and expected gradients" (2019), section 2; also known as GradientSHAP.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np

from backlight import JointMethod, Objective, Result, Score
from backlight.errors import is_whole, require
from backlight.values.baselines import Baseline, require_baseline
from backlight.values.noise import choice, uniform
from backlight.values.tree import Tree, map_leaves
from backlight_methods.gradients.integrated_gradients import mean_scores
from backlight_methods.gradients.paths import Paths
from backlight_methods.gradients.samples import Samples


@final
@dataclass(frozen=True, kw_only=True)
class ExpectedGradients(JointMethod):
    """Integrated gradients averaged over a distribution of baselines, one random step each.

    Args:
        samples: gradients per example, at least 1; each draws a baseline and a place on the path.
        baseline: the baselines to draw from, usually `Several(background)`.
        seed: of the draws, which are the same on every framework and for every example.
        multipliers: leave out the factor x - x': the mean gradient. Nothing is summed up to then.

    Law: in expectation, the values of an example sum to its score minus the mean score of the
        baselines; the gap that is reported shrinks as 1 / sqrt(samples).
    Cost: `samples` forward and backward passes, and a forward pass for each baseline drawn.
    """

    samples: int = 200
    baseline: Baseline = 0.0
    seed: int = 0
    multipliers: bool = False

    def __post_init__(self) -> None:
        require(is_whole(self.samples) and self.samples >= 1, self, "samples", "at least 1")
        require(is_whole(self.seed) and self.seed >= 0, self, "seed", "at least 0")
        require(isinstance(self.multipliers, bool), self, "multipliers", "True or False")
        require_baseline(self)

    @property
    def linear(self) -> bool:
        return True

    def attribute_each(self, objective: Objective, targets: Sequence[Score]) -> list[Result]:
        references = objective.references(self.baseline)
        drawn = [choice(self.seed, sample, len(references)) for sample in range(self.samples)]
        found: list[Samples] = []
        paths = Paths(objective, references)
        for chunk in objective.chunks(self.samples):
            chosen = [drawn[sample] for sample in chunk]
            draws = self._draws(paths, targets, chosen, chunk)
            more = [Samples.of(objective, values) for values in draws]
            found = [a.joined(b) for a, b in zip(found, more, strict=True)] if found else more
        used, times = np.unique(drawn, return_counts=True)
        references = [references[one] for one in used]
        start = mean_scores(objective, targets, references, times / self.samples)
        return [
            Result(
                samples.mean,
                baseline_score=None if self.multipliers else score,
                error=samples.error(),
                standard_error=samples.standard_error(),
                advice="Raise samples: the gap shrinks as 1 / sqrt(samples).",
            )
            for samples, score in zip(found, start, strict=True)
        ]

    def _draws(
        self, paths: Paths, targets: Sequence[Score], chosen: Sequence[int], chunk: range
    ) -> list[Tree]:
        """(x - x') times the gradient for each sample of the chunk, shape (samples, N, ...), for each
        target."""
        places = np.array([uniform(self.seed, sample) for sample in chunk])
        points, ways = paths.points(chosen, places)
        return [
            found.gradient
            if self.multipliers
            else map_leaves(lambda w, g: w * g, ways, found.gradient)
            for found in paths.objective.gradients(targets, points)
        ]
