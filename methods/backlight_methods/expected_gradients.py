"""Expected gradients: E over baselines x' and a in [0, 1] of (x - x') * d score(x' + a (x - x')) / d x.

Erion, Janizek, Sturmfels, Lundberg, Lee, "Improving performance of deep learning models with axiomatic
attribution priors and expected gradients" (2019), section 2; also known as GradientSHAP.
"""

from dataclasses import dataclass
from typing import final

import numpy as np

from backlight import Evidence, Method, Objective
from backlight.arrays import Array
from backlight.baselines import Baseline
from backlight.errors import is_whole, require
from backlight.noise import choice, uniform
from backlight.tree import Tree, map_leaves
from backlight_methods.integrated_gradients import mean, score_at


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

    def attribute(self, objective: Objective) -> Evidence:
        baselines = objective.baselines(self.baseline)
        drawn = [choice(self.seed, sample, len(baselines)) for sample in range(self.samples)]

        def part(chunk: range) -> Tree:
            return self._chunk(objective, [baselines[drawn[sample]] for sample in chunk], chunk)

        total = objective.summed(self.samples, part)
        values = map_leaves(lambda leaf: leaf / self.samples, total)
        starts = {number: score_at(objective, baselines[number]) for number in sorted(set(drawn))}
        return Evidence(values, baseline_score=mean([starts[number] for number in drawn]))

    def _chunk(self, objective: Objective, baselines: list[Tree], chunk: range) -> Tree:
        arrays = objective.arrays
        places = np.array([uniform(self.seed, sample) for sample in chunk])

        def stacked(*ones: Array) -> Array:
            return arrays.concat([one[None, ...] for one in ones], axis=0)

        starts = map_leaves(stacked, *baselines)
        way = map_leaves(lambda x, b: x[None, ...] - b, objective.value, starts)
        points = map_leaves(
            lambda b, w: b + objective.column(places, like=b[0, ...]) * w, starts, way
        )
        gradient = objective.gradient(points).gradient
        return map_leaves(lambda w, g: arrays.sum(w * g, axis=0), way, gradient)
