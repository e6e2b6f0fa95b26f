"""What a metric sees: the map of some examples, and the score that it explains."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TypeAlias, final

import numpy as np
from numpy.typing import NDArray

from backlight.evaluating.decisions import decisions
from backlight.evaluating.perturbed import Perturbed
from backlight.evaluating.places import Places
from backlight.explaining.objective import Objective
from backlight.values.arrays import Array
from backlight.values.tree import Tree, map_leaves


@final
@dataclass(frozen=True, eq=False)
class Map:
    """What a technique says of n examples.

    Attributes:
        values: float64 on the host, shaped like the value explained, or one number per place.
        gap: see `Attribution.relative_gap`; None where completeness is not promised.
        warnings: what the technique has to say.
    """

    values: Tree[NDArray[np.float64]]
    gap: NDArray[np.float64] | None = None
    warnings: tuple[str, ...] = ()


Explainer: TypeAlias = Callable[[Objective, int], Map]
"""A technique, or a control: explains an objective. The number tells one explanation of an example
from the next, for a control that draws anew each time; techniques do not look at it."""


@final
@dataclass(frozen=True, eq=False)
class Subject:
    """A block of n examples with their maps.

    Attributes:
        objective: the examples' score as a function of the value (the input, or an inner one) that
            the maps are of. Its `rows` say which examples of the user's these are.
        map: the maps to be judged; finite.
        explain: the technique, to ask it again: for other inputs, another score, another net.
        perturbed: the examples with places taken away, whose answers all metrics and maps share.
        ranges: the largest minus the least number of all the user's examples, for each input.
        masks: which places are the object's, (n, places); None where the user gave none.
        others: the maps (n, places) of the other techniques, controls left out, by name.
        seed: for all that is drawn.
    """

    objective: Objective
    map: Map
    explain: Explainer
    perturbed: Perturbed
    ranges: tuple[float, ...]
    masks: NDArray[np.bool_] | None
    others: Mapping[str, NDArray[np.float64]]
    seed: int

    @property
    def count(self) -> int:
        """The number of examples."""
        return self.objective.count

    @cached_property
    def layout(self) -> Places:
        """Where the value has its places."""
        return self.perturbed.layout

    @cached_property
    def places(self) -> NDArray[np.float64]:
        """The map with all channels of a place summed, (n, places)."""
        return self.layout.summed(self.map.values)

    def generator(self, *key: int) -> "np.random.Generator":
        """Random numbers that belong to a key: a sample's number, and perhaps an example's row."""
        return np.random.default_rng([self.seed, *key, len(key)])

    @property
    def score(self) -> NDArray[np.float64]:
        """The score of each example as it is, (n,)."""
        return self.perturbed.score

    @cached_property
    def decision(self) -> NDArray[np.int64]:
        """What the model decides on each example as it is; see `decisions`."""
        return decisions(self.objective)

    def on_host(self, array: Array) -> NDArray[np.float64]:
        return self.objective.model.to_numpy(array).astype(np.float64)

    def again(self, objective: Objective, draw: int) -> NDArray[np.float64]:
        """What the technique says of another objective, (its examples, places)."""
        return self.layout.summed(self.explain(objective, draw).values)

    def moved(self, moves: Tree[NDArray[np.float64]]) -> Objective:
        """The same score for inputs that were moved by this much each, (n, ...)."""
        objective = self.objective
        inputs = objective.inputs

        def added(leaf: Array, move: NDArray[np.float64]) -> Array:
            return leaf + objective.model.asarray(move, like=leaf)

        there = map_leaves(added, inputs.attributed, moves)
        return replace(objective, inputs=inputs.with_attributed(there), moved=None)
