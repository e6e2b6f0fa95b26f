"""Backward passes, operation by operation, and what rules make of them."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any, cast, final

import mlx.core as mx

from backlight.arrays import Array
from backlight.errors import CoverageError
from backlight.graph.graph import Graph, Node
from backlight.graph.recognition import Recognised
from backlight.graph.unit import Linear, Unit
from backlight.graph.weights import folded_params
from backlight.rules import Application, Rules
from backlight_mlx.capture import ARRAYS, run_nodes
from backlight_mlx.derivatives import by_convention

Values = dict[int, Any]


@final
class Applied(Application):
    """A unit in one pass."""

    def __init__(
        self,
        graph: Graph,
        unit: Unit,
        known: Mapping[int, Any],
        reference: Mapping[int, Any] | None = None,
    ) -> None:
        """A unit of a graph for the values of a pass, by number, and those of one over a reference."""
        self.graph = graph
        self.unit = unit
        self.operation = unit.described
        self.arrays = ARRAYS
        self.known = known
        self.inputs = tuple(known[value] for value in unit.inputs)
        self.output = known[unit.output]
        self.reference = None if reference is None else Applied(graph, unit, reference)
        self.parts = tuple(Applied(graph, part, known, reference) for part in unit.parts)

    @cached_property
    def params(self) -> Mapping[str, Array]:  # type: ignore[override]
        if self.unit.linear is None:
            return {}

        def constant(value: int) -> Array:
            number = self.graph.values[value].number
            like = self.known[self.unit.linear.weight]  # type: ignore[union-attr]
            known = self.known
            return cast(Array, known[value] if value in known else mx.array(number, like.dtype))

        return folded_params(self.graph, self.unit.linear, constant, ARRAYS)

    @property
    def nodes(self) -> list[Node]:
        return [self.graph.nodes[position] for position in self.unit.positions]

    def vjp(
        self,
        grad: Array,
        *,
        inputs: Sequence[Array] | None = None,
        params: Mapping[str, Array] | None = None,
        frozen: bool = False,
    ) -> tuple[Array, ...]:
        given = self._given(inputs, "differentiated")
        like = cast(Any, self.output)
        seed = mx.broadcast_to(cast(Any, grad), like.shape).astype(like.dtype)
        if params is None and not frozen:
            others = [one for one in self.nodes[0].operands if one not in self.unit.inputs]
            bound = self.known[others[0]] if len(others) == len(given) == 1 else None
            found = by_convention(self.unit, self.nodes[0], given[0], seed, bound)
            if found is not None:
                return (cast(Array, found),)

        def function(*operands: Any) -> list[Any]:
            if params is not None:
                return [self._with(operands[0], params)]
            return [self._results(operands, frozen)[0]]

        return cast(tuple[Array, ...], tuple(mx.vjp(function, given, [seed])[1]))

    def replay(
        self,
        *,
        inputs: Sequence[Array] | None = None,
        params: Mapping[str, Array] | None = None,
    ) -> Array:
        if inputs is None and params is None:
            return self.output
        given = self._given(inputs, "run again")
        if params is not None:
            return cast(Array, self._with(given[0], params))
        return cast(Array, self._results(given)[0])

    def others(self, gradients: Sequence[Any]) -> Sequence[Any]:
        """What the gradients of the results behind the first make of those of the inputs."""
        seeds = [mx.zeros_like(cast(Any, self.output)), *gradients]
        inputs = list(cast(Any, self.inputs))
        return mx.vjp(lambda *given: self._results(given), inputs, seeds)[1]

    def _results(self, operands: Sequence[Any], frozen: bool = False) -> list[Any]:
        """The results for other inputs, all else as known."""
        nodes, values = self.nodes, dict(self.known)
        if len(set(self.unit.inputs)) < len(
            self.unit.inputs
        ):  # x * x, of which each may be another
            (node,) = nodes
            remaining = iter(range(-1, -1 - len(operands), -1))
            places = [next(remaining) if one in self.unit.inputs else one for one in node.operands]
            nodes = [replace(node, operands=tuple(places))]
            values.update((-1 - at, operand) for at, operand in enumerate(operands))
        else:
            values.update(zip(self.unit.inputs, operands, strict=True))
        for node in nodes:
            run_nodes([node], values)
            for size in set(self.unit.sizes).intersection(node.results) if frozen else ():
                values[size] = mx.stop_gradient(values[size])
        return [values[value] for value in self.unit.outputs]

    def _with(self, x: Any, params: Mapping[str, Any]) -> Any:
        """The linear operation with other weights; without a bias where none is given."""
        linear = linear_of(self.unit)
        node = self.graph.nodes[linear.position]
        values = {**self.known, self.unit.inputs[0]: x, linear.weight: params["weight"]}
        run_nodes([node], values)
        z = values[node.result]
        for step in linear.steps:
            if step.moves is not None:
                node = self.graph.nodes[step.position]
                values = {node.operands[0]: z}
                run_nodes([node], values)
                z = values[node.result]
        z = z.astype(cast(Any, self.output).dtype)
        return z + params["bias"] if params.get("bias") is not None else z

    def _given(self, inputs: Sequence[Array] | None, what: str) -> list[Any]:
        if inputs is None:
            return list(self.inputs)
        if not self.unit.replayable:
            raise CoverageError(
                f"The operation {self.operation.type} at {self.operation.name or 'an unnamed place'} "
                f"cannot be {what} at other values. Choose a technique that does not need this, or "
                "differentiate behind it with at=."
            )
        return [
            mx.broadcast_to(one, like.shape).astype(like.dtype)
            for one, like in zip(cast(Any, inputs), cast(Any, self.inputs), strict=True)
        ]


def linear_of(unit: Unit) -> Linear:
    if unit.linear is None:
        raise CoverageError(
            f"{unit.described.type} is a {unit.kind}, which has no weights to change."
        )
    return unit.linear


def backward(
    found: Recognised, rules: Rules, values: Values, reference: Values | None, gradients: Values
) -> None:
    """Gradients of all values from those of the targets, put beside them.

    Args:
        found: the operations.
        rules: what they obey.
        values: of the pass.
        reference: of the pass over a reference; None for none.
        gradients: of the targets.
    """
    graph, flow = found.graph, found.flow

    def add(numbers: Iterable[int], arrays: Iterable[Any]) -> None:
        for value, array in zip(numbers, arrays, strict=True):
            like = values[value]
            fitted = mx.broadcast_to(array, like.shape).astype(like.dtype)
            gradients[value] = gradients[value] + fitted if value in gradients else fitted

    def arriving(results: Iterable[int]) -> list[Any] | None:
        """The gradients of results, zero where none came; None if none came at all."""
        known = [gradients.pop(value, None) for value in results]
        if all(one is None for one in known):
            return None
        pairs = zip(results, known, strict=True)
        return [mx.zeros_like(values[at]) if one is None else one for at, one in pairs]

    for step in reversed(found.steps):
        rule = rules.choose(step.described) if isinstance(step, Unit) else None
        if isinstance(step, Unit) and rule is not None:
            if (given := arriving(step.outputs)) is None:
                continue
            op = Applied(graph, step, values, reference)
            add(step.inputs, rule(op, cast(Any, given[0])))
            if len(given) > 1:
                add(step.inputs, op.others(given[1:]))
            continue
        positions = step.positions if isinstance(step, Unit) else (step,)
        for node in (graph.nodes[position] for position in reversed(positions)):
            places = flow.activity(node)
            if not places or flow.sources.issuperset(node.results):
                continue
            outputs = [at for at, value in enumerate(node.results) if value in flow.active]
            if (given := arriving([node.results[at] for at in outputs])) is None:
                continue
            add(
                [node.operands[at] for at in places], natively(node, values, places, outputs, given)
            )


def natively(
    node: Node, values: Values, places: Sequence[int], outputs: Sequence[int], given: Sequence[Any]
) -> Sequence[Any]:
    """The derivative of some results of an operation by some of its operands."""
    operands = [values[value] for value in node.operands]

    def function(*moved: Any) -> list[Any]:
        for place, one in zip(places, moved, strict=True):
            operands[place] = one
        results = cast(Callable[..., Any], node.native)(*operands)
        several = results if isinstance(results, (list, tuple)) else [results]
        return [several[at] for at in outputs]

    moved = [operands[place] for place in places]
    return mx.vjp(function, moved, list(given))[1]
