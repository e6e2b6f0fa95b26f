"""Operations with the values that went through them, as rules see them."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, cast, final

from backlight.engine.conventions import at_kinks
from backlight.engine.runner import Runner, Values
from backlight.errors import CoverageError
from backlight.graph.graph import Graph, Node
from backlight.graph.unit import Linear, Unit
from backlight.graph.weights import folded_params
from backlight.rules.rules import AppliedOperation
from backlight.values.arrays import Array


@final
class Applied(AppliedOperation):
    """A unit of a graph in one pass.

    Attributes:
        runner: what runs its operations.
        graph, unit: the operation.
        known: the values of the pass.
    """

    def __init__(
        self,
        runner: Runner,
        graph: Graph,
        unit: Unit,
        known: Mapping[int, Array],
        reference: "Applied | None" = None,
    ) -> None:
        self.runner = runner
        self.arrays = runner.arrays
        self.graph = graph
        self.unit = unit
        self.operation = unit.described
        self.known = known
        self.inputs = tuple(known[value] for value in unit.inputs)
        self.output = known[unit.output]
        self.reference = reference
        there = (None,) * len(unit.parts) if reference is None else reference.parts
        self.parts = tuple(
            Applied(runner, graph, part, known, cast("Applied | None", other))
            for part, other in zip(unit.parts, there, strict=True)
        )

    @property
    def nodes(self) -> list[Node]:
        return [self.graph.nodes[position] for position in self.unit.positions]

    @cached_property
    def params(self) -> Mapping[str, Array]:  # type: ignore[override]
        linear = self.unit.linear
        if linear is None:
            return {}
        like = self.known[linear.weight]

        def constant(value: int) -> Array:
            return self.runner.constant(self._constant(value), like)

        return folded_params(self.graph, linear, constant, self.arrays)

    def vjp(
        self,
        grad: Array,
        *,
        inputs: Sequence[Array] | None = None,
        params: Mapping[str, Array] | None = None,
        frozen: bool = False,
    ) -> tuple[Array, ...]:
        given = self._given(inputs)
        seed = self.runner.fitted(grad, self.output)
        if params is None and not frozen:
            found = self._by_convention(given, seed)
            if found is not None:
                return (found,)
            if inputs is None:
                return self._back([seed])

        def function(operands: Sequence[Array]) -> tuple[Sequence[Array], Values]:
            if params is not None:
                return [self._with_weights(operands[0], params)], {}
            return [self._results(operands, frozen)[0]], {}

        pullback, _, _ = self.runner.vjp(function, given)
        return tuple(pullback([seed]))

    def vjp_along(
        self,
        grad: Array,
        starts: Sequence[Array],
        nodes: Sequence[float],
        weights: Sequence[float],
    ) -> tuple[Array, ...]:
        def derivative(points: Sequence[Array]) -> Sequence[Array]:
            return self.vjp(grad, inputs=points)

        found = self.runner.along(self.nodes, derivative, starts, self.inputs, nodes, weights)
        if found is None:
            return super().vjp_along(grad, starts, nodes, weights)
        return tuple(found)

    def replay(
        self,
        *,
        inputs: Sequence[Array] | None = None,
        params: Mapping[str, Array] | None = None,
    ) -> Array:
        if inputs is None and params is None:
            return self.output
        given = self._given(inputs)
        if params is not None:
            return self._with_weights(given[0], params)
        return self._results(given)[0]

    def from_others(self, gradients: Sequence[Array]) -> Sequence[Array]:
        """What the gradients of the results behind the first make of those of the inputs."""
        return self._back([self.arrays.zeros_like(self.output), *gradients])

    def _back(self, gradients: Sequence[Array]) -> tuple[Array, ...]:
        """What the gradients of the first results make of those of the inputs, at the values that went
        through."""
        count = len(gradients)
        if self.runner.records and len(set(self.unit.inputs)) == len(self.inputs):
            results = [self.known[value] for value in self.unit.outputs[:count]]
            return tuple(self.runner.pullback(results, self.inputs)(gradients))
        pullback, _, _ = self.runner.vjp(
            lambda given: (self._results(given)[:count], {}), self.inputs
        )
        return tuple(pullback(gradients))

    def _by_convention(self, given: Sequence[Array], seed: Array) -> Array | None:
        unit, node, x = self.unit, self.nodes[0], given[0]
        if self.runner.has_own_derivative(self.nodes):
            return None
        others = [value for value in node.operands if value not in unit.inputs]
        bound, shape = None, self.graph.shape
        if len(others) == len(given) == 1 and shape(unit.inputs[0]) == shape(unit.output):
            bound = cast(Any, self._constant(others[0]))
        found = at_kinks(unit, x, seed, bound, self.arrays)
        if found is not None:
            return found
        return self.runner.conventional(unit, node, x, seed, lambda: self._results(given)[0])

    def _constant(self, value: int) -> object:
        """The array of a value, or its number; None where neither is known."""
        return self.known.get(value, cast(Any, self.graph.values[value].number))

    def _results(self, inputs: Sequence[Array], frozen: bool = False) -> list[Array]:
        """All results for other inputs, everything else as known.

        Args:
            inputs: one for each of the unit's.
            frozen: whether what a normalisation divides by is held constant.
        """
        unit, nodes, values = self.unit, self.nodes, dict(self.known)
        if len(set(unit.inputs)) < len(unit.inputs):  # x * x, of which each x may be another
            (node,) = nodes
            places = [at for at, value in enumerate(node.operands) if value in unit.inputs]
            renamed = {place: -1 - at for at, place in enumerate(places)}
            nodes = [self.runner.reading(node, renamed)]
            values.update(zip(renamed.values(), inputs, strict=True))
        else:
            values.update(zip(unit.inputs, inputs, strict=True))
        for node in nodes:
            self.runner.run([node], values)
            for size in set(unit.sizes).intersection(node.results) if frozen else ():
                values[size] = self.runner.stopped(values[size])
        return [values[value] for value in unit.outputs]

    def _with_weights(self, x: Array, params: Mapping[str, Array]) -> Array:
        """A linear operation's result for other weights; without a bias where none is given."""
        linear, nodes = self._linear, self.graph.nodes
        values = {**self.known, self.unit.inputs[0]: x, linear.weight: params["weight"]}
        if linear.bias is not None:  # the given one is added in the end
            values[linear.bias] = self.arrays.zeros_like(self.known[linear.bias])
        product = nodes[linear.position]
        self.runner.run([product], values)
        z = values[product.result]
        for node in (nodes[step.position] for step in linear.steps if step.moves is not None):
            values[node.operands[0]] = z
            self.runner.run([node], values)
            z = values[node.result]
        z = self.runner.fitted(z, self.output)
        return z + params["bias"] if params.get("bias") is not None else z

    @property
    def _linear(self) -> Linear:
        if self.unit.linear is None:
            raise CoverageError(
                f"{self.operation.type} is a {self.kind}, which has no weights to change."
            )
        return self.unit.linear

    def _given(self, inputs: Sequence[Array] | None) -> list[Array]:
        return [
            self.runner.fitted(one, like)
            for one, like in zip(self.given(inputs), self.inputs, strict=True)
        ]
