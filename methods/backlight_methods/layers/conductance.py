"""Conductance: how much of the score's change flows through each number of a layer.

    conductance_j = integral over a in [0, 1] of d score / d y_j * d y_j(x' + a (x - x')) / d a

Dhamdhere, Sundararajan, Yan, "How Important Is a Neuron?" (2018), equation 3, of all inputs together.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from backlight import Gradient, Objective, Result, Score
from backlight.values.arrays import Array
from backlight.values.tree import Tree, leaves, map_leaves, rebuild
from backlight_methods.gradients.paths import Paths
from backlight_methods.layers.path_technique import LayerPathTechnique


@final
@dataclass(frozen=True, kw_only=True)
class Conductance(LayerPathTechnique):
    """The score's change, dealt out to the values at `at` while the input goes from a baseline to x.

    At the input itself it is integrated gradients by the trapezoid rule.

    Args:
        steps: intervals of the way, at least 1. The integral over the layer's own values is taken by
            the trapezoid rule: the gradient's mean at both ends of an interval, times the values' change.
        baseline: of the input: a number, an array, one for each example, a function, `Drawn(data)` ...;
            the mean over `Several`.

    Law: the values of an example sum to score - baseline score, up to the gap that is reported, at any
        layer that every way from the input to the score crosses (completeness, the paper's section 3).
    Cost: `steps` + 1 forward and backward passes per baseline, and a forward pass, for several layers as
        for one.
    """

    def attribute_each(self, objective: Objective, targets: Sequence[Score]) -> list[Result]:
        arrays, inputs = objective.arrays, objective.at_site(None)
        references = inputs.references(self.baseline)
        paths, nodes = Paths(inputs, references), np.linspace(0.0, 1.0, self.steps + 1)
        last: list[Gradient] = []

        def behind(now: Array, before: Array) -> Array:
            """What was a step earlier; at the very first, the same."""
            return arrays.concat([before[-1:, ...], now[:-1, ...]], axis=0)

        def summed(one: Gradient, before: Gradient, step: NDArray[np.int64]) -> list[Array]:
            """What flows while the layer's values move, then the score at the baselines."""

            def flow(value: Array, slope: Array, *earlier: Array) -> Array:
                value_before, slope_before = behind(value, earlier[0]), behind(slope, earlier[1])
                moved = (slope + slope_before) / 2 * (value - value_before)
                here = objective.column((step > 0).astype(np.float64), like=moved[0, ...])
                return arrays.sum(here * moved, axis=0)

            flows = map_leaves(flow, one.value, one.gradient, before.value, before.gradient)
            there = objective.column((step == 0).astype(np.float64), like=one.score[0, ...])
            return [*leaves(flows), arrays.sum(there * one.score, axis=0)]

        def part(chunk: range) -> Tree:
            reference, step = np.divmod(np.array(chunk), len(nodes))
            points, _ = paths.points(reference.tolist(), nodes[step])
            found = objective.gradients_of_inputs(targets, points)
            pairs = zip(found, last or map(first_of, found), strict=True)
            sums = [total for one, before in pairs for total in summed(one, before, step)]
            last[:] = found
            return tuple(sums)

        sums = leaves(objective.summed(len(references) * len(nodes), part))
        means = iter([total / len(references) for total in sums])
        scores = [score for score in objective.scores(targets) for _ in objective.sites]
        return [
            Result(
                rebuild(one.value, [next(means) for _ in leaves(one.value)]),
                score,
                next(means),
                advice="Raise steps, or look whether a way to the score passes the layer by.",
            )
            for one, score in zip(last, scores, strict=True)
        ]


def first_of(found: Gradient) -> Gradient:
    """The first sample alone."""
    value, slope = (
        map_leaves(lambda leaf: leaf[:1, ...], one) for one in (found.value, found.gradient)
    )
    return Gradient(found.score[:1, ...], value, slope)
