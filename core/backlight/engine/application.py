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
        known: the values of the pass, those at least that the rule looks at.
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
    def inputs(self) -> tuple[Array, ...]:  # type: ignore[override]
        return tuple(self.known[value] for value in self.unit.inputs)

    @cached_property
    def output(self) -> Array:  # type: ignore[override]
        known = self.known.get(self.unit.output)
        return self.results(self.inputs)[0] if known is None else known

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
        if not frozen:
            found = self._in_closed_form(given, self._fitted(grad), params)
            if found is not None:
                return tuple(found)
            if inputs is None and params is None:
                return self._back([self._fitted(grad)])

        def function(operands: Sequence[Array]) -> tuple[Sequence[Array], Values]:
            if params is not None:
                return [self._with_weights(operands[0], params)], {}
            return [self.results(operands, frozen)[0]], {}

        pullback, results, _ = self.runner.vjp(function, given)
        return tuple(pullback([self.runner.fitted(grad, results[0])]))

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
        return self.results(given)[0]

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
            lambda given: (self.results(given)[:count], {}), self.inputs
        )
        return tuple(pullback(gradients))

    def _in_closed_form(
        self, given: Sequence[Array], grad: Array, params: Mapping[str, Array] | None
    ) -> Sequence[Array] | None:
        unit, node = self.unit, self.nodes[0]
        linear = unit.linear if params is None else self._linear
        if self.runner.has_own_derivative(self.nodes):
            return None
        if linear is not None:
            weight = (self.params if params is None else params)["weight"]
            found = self.runner.transposed(self, given[0], weight, grad)
            return None if found is None else (found,)
        others = [value for value in node.operands if value not in unit.inputs]
        bound, shape = None, self.graph.shape
        if len(others) == len(given) == 1 and shape(unit.inputs[0]) == shape(unit.output):
            bound = cast(Any, self._constant(others[0]))
        kinks = at_kinks(unit, given[0], grad, bound, self.arrays)
        if kinks is not None:
            return (kinks,)
        return self.runner.derivative(self, given, grad)

    def _constant(self, value: int) -> object:
        """The array of a value, or its number; None where neither is known."""
        return self.known.get(value, cast(Any, self.graph.values[value].number))

    def results(self, inputs: Sequence[Array], frozen: bool = False) -> list[Array]:
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
        whole = frozen and not unit.sizes
        for node in nodes:
            self.runner.run([node], values, whole)
            for size in set(unit.sizes).intersection(node.results) if frozen else ():
                values[size] = self.runner.stopped(values[size])
        return [values[value] for value in unit.outputs]

    def _with_weights(self, x: Array, params: Mapping[str, Array]) -> Array:
        """A linear operation's result for other weights; without a bias where none is given."""
        linear, nodes, bias = self._linear, self.graph.nodes, params.get("bias")
        weight = self.runner.fitted(params["weight"], self.known[linear.weight])
        values = {**self.known, self.unit.inputs[0]: x, linear.weight: weight}
        own = bias is not None and linear.bias is not None and not linear.steps
        if linear.bias is not None:
            nothing = self.arrays.zeros_like(self.known[linear.bias])
            values[linear.bias] = bias if bias is not None and own else nothing
        product = nodes[linear.position]
        self.runner.run([product], values)
        z = values[product.result]
        for step in linear.steps:
            if step.moves is not None:
                node = nodes[step.position]
                values[node.operands[step.place]] = z
                self.runner.run([node], values)
                z = values[node.result]
        z = self._fitted(z)
        return z if bias is None or own else z + bias

    @property
    def _linear(self) -> Linear:
        if self.unit.linear is None:
            raise CoverageError(
                f"{self.operation.type} is a {self.kind}, which has no weights to change."
            )
        return self.unit.linear

    def _fitted(self, array: Array) -> Array:
        """With the shape of the result, and its dtype where it is known."""
        like = self.known.get(self.unit.output)
        if like is not None:
            return self.runner.fitted(array, like)
        return self.arrays.broadcast_to(array, self.graph.shape(self.unit.output))

    def _given(self, inputs: Sequence[Array] | None) -> list[Array]:
        return [
            self.runner.fitted(one, like)
            for one, like in zip(self.given(inputs), self.inputs, strict=True)
        ]
