"""Operations with the values that went through them, as rules see them."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any, cast, final

import jax
import jax.numpy as jnp
from jax import lax

from backlight.arrays import Array, Arrays
from backlight.errors import CoverageError
from backlight.graph.graph import Graph
from backlight.graph.unit import Unit
from backlight.graph.weights import folded_params
from backlight.rules import Application
from backlight_jax.capture.graph import equations
from backlight_jax.capture.program import Operand, run
from backlight_jax.derivatives.conventions import by_convention


@final
class Applied(Application):
    """A unit in one pass."""

    arrays = cast(Arrays, jnp)

    def __init__(
        self,
        graph: Graph,
        unit: Unit,
        known: Mapping[int, Any],
        reference: "Applied | None" = None,
    ) -> None:
        """A unit of a graph for the values of a pass, by number."""
        self.graph = graph
        self.unit = unit
        self.operation = unit.described
        self.known = known
        self.inputs = tuple(known[value] for value in unit.inputs)
        self.output = known[unit.output]
        self.reference = reference
        self.parts = tuple(
            Applied(graph, part, known, None if reference is None else reference.parts[at])  # type: ignore[arg-type]
            for at, part in enumerate(unit.parts)
        )

    @cached_property
    def params(self) -> Mapping[str, Array]:  # type: ignore[override]
        linear = self.unit.linear
        if linear is None:
            return {}
        dtype = self.known[linear.weight].dtype

        def constant(value: int) -> Array:
            number: Any = self.graph.values[value].number
            known = self.known
            return cast(Array, known[value] if value in known else jnp.asarray(number, dtype))

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
        like = cast(Any, self.output)
        seed = jnp.broadcast_to(cast(Any, grad), like.shape).astype(like.dtype)
        if params is None and not frozen:
            nodes = equations(self.graph, self.unit.positions)
            found = by_convention(
                self.unit, nodes, given, seed, self.known, lambda: self.results(*given)[0]
            )
            if found is not None:
                return (cast(Array, found),)

        def function(*operands: Any) -> Any:
            if params is not None:
                return self._with_weights(operands[0], params)
            return self.results(*operands, frozen=frozen)[0]

        _, pullback = jax.vjp(function, *given)
        return tuple(pullback(seed))

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
            return cast(Array, self._with_weights(given[0], params))
        return cast(Array, self.results(*given)[0])

    def results(self, *inputs: Any, frozen: bool = False) -> tuple[Any, ...]:
        """All results for other inputs, everything else as known.

        Args:
            inputs: one for each of the unit's.
            frozen: whether what a normalisation divides by is held constant.
        """
        unit, values = self.unit, dict(self.known)
        nodes = equations(self.graph, unit.positions)
        if len(set(unit.inputs)) < len(unit.inputs):  # x * x, of which each x may be another
            (node,) = nodes
            places = [at for at, operand in enumerate(node.inputs) if operand in unit.inputs]
            operands: list[Operand] = list(node.inputs)
            for at, place in enumerate(places):
                operands[place] = -1 - at
                values[-1 - at] = inputs[at]
            nodes = [replace(node, inputs=tuple(operands))]
        else:
            values.update(zip(unit.inputs, inputs, strict=True))
        for node in nodes:
            run([node], values)
            for size in set(unit.sizes).intersection(node.outputs) if frozen else ():
                values[size] = lax.stop_gradient(values[size])
        return tuple(values[value] for value in unit.outputs)

    def _with_weights(self, x: Any, params: Mapping[str, Any]) -> Any:
        """A linear operation's result for other weights; without a bias where none is given."""
        linear = self.unit.linear
        if linear is None:
            raise CoverageError(
                f"{self.operation.type} is a {self.kind}, which has no weights to change."
            )
        values = {**self.known, self.unit.inputs[0]: x, linear.weight: params["weight"]}
        moves = (step.position for step in linear.steps if step.moves is not None)
        product, *behind = equations(self.graph, [linear.position, *moves])
        run([product], values)
        z = values[product.outputs[0]]
        for move in behind:
            moved = {move.values[0]: z}
            run([move], moved)
            z = moved[move.outputs[0]]
        z = z.astype(self.known[self.unit.output].dtype)
        return z + params["bias"] if params.get("bias") is not None else z

    def _given(self, inputs: Sequence[Array] | None) -> list[Any]:
        return [
            jnp.broadcast_to(one, like.shape).astype(like.dtype)
            for one, like in zip(cast(Any, self.given(inputs)), cast(Any, self.inputs), strict=True)
        ]
