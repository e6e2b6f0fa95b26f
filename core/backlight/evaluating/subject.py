"""What a metric sees: the map of some examples, and the score that it explains."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TypeAlias, final

import numpy as np
from numpy.typing import NDArray

from backlight.errors import TargetError
from backlight.evaluating.places import Places, places_of
from backlight.evaluating.replacement import Replacement
from backlight.explaining.objective import Objective
from backlight.memory.memory import one_call
from backlight.scores.class_scores import ClassScore
from backlight.values.arrays import Array
from backlight.values.outputs import array_at
from backlight.values.tree import Tree, leaves, map_leaves, rebuild


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


Removed: TypeAlias = Callable[[range], NDArray[np.bool_]]
"""Which places are replaced in some of the samples."""


@final
@dataclass(frozen=True, eq=False)
class Subject:
    """A block of n examples with their maps.

    Attributes:
        objective: the examples' score as a function of the value (the input, or an inner one) that
            the maps are of. Its `rows` say which examples of the user's these are.
        map: the maps to be judged; finite.
        explain: the technique, to ask it again: for other inputs, another score, another net.
        replacement: what stands for "nothing there", where the metric says nothing else.
        ranges: the largest minus the least number of all the user's examples, for each input.
        masks: which places are the object's, (n, places); None where the user gave none.
        others: the maps (n, places) of the other techniques, controls left out, by name.
        seed: for all that is drawn.
    """

    objective: Objective
    map: Map
    explain: Explainer
    replacement: Replacement
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
        return places_of(self.objective)

    @cached_property
    def places(self) -> NDArray[np.float64]:
        """The map with all channels of a place summed, (n, places)."""
        return self.layout.summed(self.map.values)

    def generator(self, *key: int) -> "np.random.Generator":
        """Random numbers that belong to a key: a sample's number, and perhaps an example's row."""
        return np.random.default_rng([self.seed, *key, len(key)])

    @cached_property
    def score(self) -> NDArray[np.float64]:
        """The score of each example as it is, (n,)."""
        return self.on_host(self.objective.score())

    @cached_property
    def decision(self) -> NDArray[np.int64]:
        """What the model decides on each example as it is; see `decisions`."""
        return decisions(self.objective)

    def scores(
        self,
        samples: int,
        removed: Removed,
        replacement: Replacement | None = None,
    ) -> NDArray[np.float64]:
        """The score with places replaced, (samples, n); the mean over several replacements.

        Args:
            samples: how many times.
            removed: for some of the samples, which places are replaced: (of these, n, places), or 1 in
                place of n where all examples lose the same.
            replacement: in place of the subject's own.
        """
        found = self._asked(samples, removed, replacement, lambda at: self.on_host(at.score()))
        return np.asarray(np.mean(np.stack(found).astype(np.float64), axis=0))

    def decided(
        self,
        samples: int,
        removed: Removed,
        replacement: Replacement | None = None,
    ) -> list[NDArray[np.int64]]:
        """What the model decides with places replaced, (samples, n), for each of several replacements;
        see `scores` and `decisions`."""
        found = self._asked(samples, removed, replacement, decisions)
        return [one.astype(np.int64) for one in found]

    @one_call
    def _asked(
        self,
        samples: int,
        removed: Removed,
        replacement: Replacement | None,
        ask: Callable[[Objective], NDArray[np.generic]],
    ) -> list[NDArray[np.generic]]:
        """A number for each example with places replaced, (samples, n), by replacement."""
        objective = self.objective
        chosen = self.replacement if replacement is None else replacement
        found = []
        for one in objective.references(chosen):
            parts = [
                ask(objective.at_points(self._points(removed(chunk), one)))
                for chunk in objective.chunks(samples)
            ]
            found.append(np.concatenate([part.reshape(-1, self.count) for part in parts]))
        return found

    def _points(self, removed: NDArray[np.bool_], replacement: Tree) -> Tree:
        arrays, model, value = (
            self.objective.arrays,
            self.objective.model,
            self.objective.value,
        )
        wide = np.broadcast_to(removed, (len(removed), self.count, removed.shape[2]))
        points = []
        each = zip(self.layout.split(wide), leaves(value), leaves(replacement), strict=True)
        for mask, leaf, nothing in each:
            points.append(
                arrays.where(
                    model.asarray(np.ascontiguousarray(mask)), nothing[None, ...], leaf[None, ...]
                )
            )
        return rebuild(value, points)

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


def decisions(objective: Objective) -> NDArray[np.int64]:
    """What a model decides, (N,): in a contrast, whether the one class is ahead of its rival; else which
    class it predicts.

    Raises:
        TargetError: the score is of no class.
    """
    score, model = objective.target, objective.model
    if score.rivals is not None:
        ahead = model.to_numpy(objective.score()).astype(np.float64) > 0
        return ahead.astype(np.int64)
    if not isinstance(score, ClassScore):
        raise TargetError(
            f"There is no decision in {score!r}: say a class, or backlight.Margin(k, versus=j)."
        )
    if objective.moved is not None:
        raise TargetError(
            "A decision after changes of an inner value is told by a contrast alone: say "
            "target=backlight.Margin(k, versus=j)."
        )
    outputs = array_at(model.predict(objective.inputs), score.path)
    values = model.to_numpy(outputs).astype(np.float64)
    if score.binary:
        line = 0.5 if score.kind == "probabilities" else 0.0
        return (values.reshape(len(values)) > line).astype(np.int64)
    return np.asarray(values.argmax(axis=1), dtype=np.int64)
