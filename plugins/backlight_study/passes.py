"""How many examples go through a model, forward and backward."""

from collections.abc import Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from backlight import Connection, Gradient, Model, Operation, Rules, Score, Site
from backlight.graph.graph import Graph
from backlight.memory.memory import Memory
from backlight.model.weights import Weights
from backlight.values.arrays import Array, shape_of
from backlight.values.inputs import Inputs
from backlight.values.lookups import Lookups
from backlight.values.outputs import Outputs
from backlight.values.tree import Tree, leaves


@final
@dataclass
class Passes:
    """Examples that went through a model.

    Attributes:
        forward: each pass counts the examples in it, those of a reference too.
        backward: likewise.
    """

    forward: int = 0
    backward: int = 0

    def __add__(self, other: "Passes") -> "Passes":
        return Passes(self.forward + other.forward, self.backward + other.backward)

    def __sub__(self, other: "Passes") -> "Passes":
        return Passes(self.forward - other.forward, self.backward - other.backward)

    def copy(self) -> "Passes":
        return Passes(self.forward, self.backward)

    def times(self, count: int) -> "Passes":
        return Passes(self.forward * count, self.backward * count)


@final
class CountedModel(Model):
    """A model whose passes are counted; all else is the model's own.

    Args:
        model: the one that is asked.
    """

    def __init__(self, model: Model) -> None:
        self.model = model
        self.passes = Passes()
        self.differentiable, self.class_names = model.differentiable, model.class_names
        self.framework, self.version, self.arrays = model.framework, model.version, model.arrays
        self.declared, self.declared_channels = model.declared, model.declared_channels
        self.keeps_forward = model.keeps_forward
        self.takes_vectors, self.lookups, self.of_ids = (
            model.takes_vectors,
            model.lookups,
            model.of_ids,
        )

    @property
    def channels(self) -> Any:  # type: ignore[override]
        return self.model.channels

    @property
    def signals(self) -> bool:  # type: ignore[override]
        return self.model.signals

    @cached_property
    def memory(self) -> Memory:
        return self.model.memory

    def identity(self) -> Hashable:
        return self.model.identity()

    def weights(self) -> Weights | None:
        return self.model.weights()

    @contextmanager
    def with_weights(self, new: Mapping[str, NDArray[np.generic]]) -> Iterator[Model]:
        with self.model.with_weights(new) as model:
            yield self._counting(model)

    def with_vectors(self, lookups: Lookups) -> Model:
        return self._counting(self.model.with_vectors(lookups))

    def _counting(self, model: Model) -> Model:
        """Another form of the model, counted together with this one."""
        other = CountedModel(model)
        other.passes = self.passes
        return other

    def predict(self, inputs: Inputs | Tree) -> Any:
        self.passes.forward += rows_of(inputs)
        return self.model.predict(inputs)

    def outputs(self, inputs: Inputs | Tree) -> Outputs:
        return self.model.outputs(inputs)

    def score(
        self,
        inputs: Inputs | Tree,
        score: Score,
        *,
        at: str | None = None,
        value: Tree | None = None,
    ) -> Array:
        self.passes.forward += rows_of(inputs)
        return self.model.score(inputs, score, at=at, value=value)

    def gradient(
        self,
        inputs: Inputs | Tree,
        score: Score,
        *,
        at: str | None = None,
        value: Tree | None = None,
        rules: Rules | None = None,
        reference: Tree | None = None,
    ) -> Gradient:
        self.passes.forward += rows_of(inputs) + (0 if reference is None else rows_of(reference))
        self.passes.backward += rows_of(inputs)
        return self.model.gradient(
            inputs, score, at=at, value=value, rules=rules, reference=reference
        )

    def gradients(
        self,
        inputs: Inputs | Tree,
        scores: Sequence[Score],
        *,
        sites: Sequence[str | None] = (None,),
        value: Tree | None = None,
    ) -> tuple[Gradient, ...]:
        rows, pairs = rows_of(inputs), len(scores) * len(sites)
        keeps = self.model.keeps_forward
        self.passes.forward += rows if keeps else rows * pairs
        self.passes.backward += rows * (len(scores) if keeps else pairs)
        return self.model.gradients(inputs, scores, sites=sites, value=value)

    def operations(
        self,
        inputs: Inputs | Tree,
        *,
        score: Score | None = None,
        at: str | None = None,
        rules: Rules | None = None,
    ) -> tuple[Operation, ...]:
        return self.model.operations(inputs, score=score, at=at, rules=rules)

    def connection(
        self, inputs: Inputs | Tree, score: Score, *, at: str | None = None
    ) -> Connection:
        return self.model.connection(inputs, score, at=at)

    def graph(self, inputs: Inputs | Tree, score: Score | None = None) -> Graph | None:
        return self.model.graph(inputs, score)

    def activation(self, inputs: Inputs | Tree, at: str) -> Tree:
        self.passes.forward += rows_of(inputs)
        return self.model.activation(inputs, at)

    def activations(self, inputs: Inputs | Tree, sites: Sequence[str]) -> tuple[Tree, ...]:
        rows = rows_of(inputs)
        self.passes.forward += rows if self.model.keeps_forward else rows * len(sites)
        return self.model.activations(inputs, sites)

    def sites(self, inputs: Inputs | Tree) -> tuple[Site, ...]:
        return self.model.sites(inputs)

    def detached(self, array: Array) -> Array:
        return self.model.detached(array)

    def owns(self, array: object) -> bool:
        return self.model.owns(array)

    def asarray(self, array: NDArray[np.generic], like: Array | None = None) -> Array:
        return self.model.asarray(array, like)

    def to_numpy(self, array: Array) -> NDArray[np.generic]:
        return self.model.to_numpy(array)

    def is_floating(self, array: Array) -> bool:
        return self.model.is_floating(array)


def rows_of(inputs: Inputs | Tree) -> int:
    tree = inputs.attributed if isinstance(inputs, Inputs) else inputs
    return shape_of(leaves(tree)[0])[0]
