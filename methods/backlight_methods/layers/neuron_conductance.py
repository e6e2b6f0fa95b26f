"""Neuron conductance: what of the inputs' integrated gradients flows through some neurons of a layer.

    value_i = (x - x')_i * integral over a in [0, 1] of sum over j in neurons of
              d score / d y_j * d y_j / d x_i  at x' + a (x - x')

Dhamdhere, Sundararajan, Yan, "How Important Is a Neuron?" (2018), equation 2.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import final

import numpy as np

from backlight import Function, Gradient, Objective, Result, Score
from backlight.errors import require
from backlight.scores import element_index
from backlight.scores.element_index import ElementIndex
from backlight.values.arrays import Array, Arrays, shape_of
from backlight.values.tree import Tree, leaves, map_leaves, rebuild
from backlight_methods.gradients.paths import Paths
from backlight_methods.gradients.quadrature import gauss_legendre
from backlight_methods.layers.path_technique import LayerPathTechnique


@final
@dataclass(frozen=True, kw_only=True)
class NeuronConductance(LayerPathTechnique):
    """Integrated gradients of the input, as far as they pass some neurons: shaped like the input.

    Args:
        layer: the inner site of the neurons, as named by `model.sites(x)`, one array; None for the input
            itself, where the values are integrated gradients.
        index: which neurons: an index of the axes after the batch, as of `Neuron`. By default all.
        steps: nodes of Gauss and Legendre's rule, at least 1.
        baseline: of the input: a number, an array, one for each example, a function, `Drawn(data)` ...;
            the mean over `Several`.

    Law: summed over the neurons of a layer that every way from the input to the score crosses, the values
        are those of integrated gradients of as many steps; the values of a neuron sum to its conductance.
    Cost: 2 `steps` forward and backward passes per baseline, the second to the layer only, and a forward
        pass; of several targets each the second.
    """

    layer: str | None = None
    index: ElementIndex = ()

    def __post_init__(self) -> None:
        LayerPathTechnique.__post_init__(self)
        named = self.layer is None or isinstance(self.layer, str)
        require(named, self, "layer", "the name of a site, or None for the input")
        whole = isinstance(self.index, tuple) and not self.index
        require(whole or self.layer is not None, self, "index", "() where no layer is named")
        element_index.entries(self.index)

    @property
    def joins_sites(self) -> bool:
        return False

    @property
    def differentiable(self) -> bool:
        return False  # slopes pass through NumPy

    def objection(self, objective: Objective) -> str | None:
        if objective.at is None:
            return LayerPathTechnique.objection(self, objective)
        return (
            f"The values of {type(self).__name__} are those of the input: leave at={objective.at!r} out. "
            "The layer that they flow through is layer=."
        )

    def attribute_each(self, objective: Objective, targets: Sequence[Score]) -> list[Result]:
        arrays, at_layer = objective.arrays, objective.at_site(self.layer)
        references = objective.references(self.baseline)
        paths, (nodes, weights) = Paths(objective, references), gauss_legendre(self.steps)
        through = None if self.layer is None else self._flows(objective, self.layer)

        def part(chunk: range) -> Tree:
            reference, step = np.divmod(np.array(chunk), self.steps)
            points, ways = paths.points(reference.tolist(), nodes[step])
            share = weights[step] / len(references)
            found = at_layer.gradients_of_inputs(targets, points)
            if through is not None:
                found = objective.with_inputs(points).gradients([*map(through, found)])

            def summed(way: Array, slope: Array) -> Array:
                slopes = arrays.reshape(slope, (len(chunk), objective.count, *shape_of(way)[2:]))
                return arrays.sum(objective.column(share, like=way[0, ...]) * way * slopes, axis=0)

            return tuple(
                leaf for one in found for leaf in leaves(map_leaves(summed, ways, one.gradient))
            )

        sums = iter(leaves(objective.summed(len(references) * self.steps, part)))
        return [
            Result(rebuild(objective.value, [next(sums) for _ in leaves(objective.value)]), score)
            for score in objective.scores(targets)
        ]

    def _flows(self, objective: Objective, layer: str) -> Callable[[Gradient], Score]:
        """From the score's slopes at the layer, shape (samples, N, ...), to a score whose gradient
        is what passes the neurons: the sum of slope times value, with slopes that are constants."""
        shape = shape_of(objective.model.array_at(objective.inputs, layer))
        index = element_index.bound(self.index, shape, objective.total, f"site {layer!r}")
        entries = element_index.full(element_index.take(index, objective.rows), len(shape) - 1)
        chosen = np.zeros(shape, dtype=np.bool_)
        chosen[(np.arange(len(chosen)), *entries)] = True

        def flow(found: Gradient) -> Score:
            slopes = objective.model.to_numpy(leaves(found.gradient)[0]) * chosen
            return Function(weighted_sum, slopes.reshape(-1, *shape[1:]), at=layer)

        return flow


def weighted_sum(value: Array, arrays: Arrays, weight: Array) -> Array:
    """(N,)"""
    axes = tuple(range(1, value.ndim))
    return arrays.sum(value * weight, axis=axes) if axes else value * weight
