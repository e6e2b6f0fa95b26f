"""Internal influence: the mean gradient of the score by a layer while the input leaves a baseline.

    influence_j = integral over a in [0, 1] of d score / d y_j at x' + a (x - x')

Leino, Sen, Datta, Fredrikson, Li, "Influence-Directed Explanations for Deep Convolutional Networks"
(2018), definition 1, for the uniform distribution on the way.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np

from backlight import Gradient, Objective, Result, Score
from backlight.values.tree import Tree, leaves, rebuild
from backlight_methods.gradients.paths import Paths
from backlight_methods.gradients.quadrature import gauss_legendre
from backlight_methods.layers.path_technique import LayerPathTechnique


@final
@dataclass(frozen=True, kw_only=True)
class InternalInfluence(LayerPathTechnique):
    """By how much the score changes with each number of the layer `at`, on average on the way.

    Args:
        steps: gradients per example (and baseline), at the nodes of Gauss and Legendre's rule, at least
            1.
        baseline: of the input: a number, an array, one for each example, a function, `Drawn(data)` ...;
            the mean over `Several`.

    Law: of a score that is linear in the layer's values, it is their weight, whatever the input is.
    Cost: `steps` forward and backward passes per baseline, and a forward pass, for several layers as for
        one.
    """

    def attribute_each(self, objective: Objective, targets: Sequence[Score]) -> list[Result]:
        inputs = objective.at_site(None)
        references = inputs.references(self.baseline)
        paths, (nodes, weights) = Paths(inputs, references), gauss_legendre(self.steps)
        last: list[Gradient] = []

        def part(chunk: range) -> Tree:
            reference, step = np.divmod(np.array(chunk), self.steps)
            points, _ = paths.points(reference.tolist(), nodes[step])
            found = objective.gradients_of_inputs(targets, points)
            share = weights[step] / len(references)
            last[:] = found
            return tuple(
                objective.arrays.sum(objective.column(share, like=leaf[0, ...]) * leaf, axis=0)
                for one in found
                for leaf in leaves(one.gradient)
            )

        sums = iter(leaves(objective.summed(len(references) * self.steps, part)))
        scores = [score for score in objective.scores(targets) for _ in objective.sites]
        return [
            Result(rebuild(one.gradient, [next(sums) for _ in leaves(one.gradient)]), score)
            for one, score in zip(last, scores, strict=True)
        ]
