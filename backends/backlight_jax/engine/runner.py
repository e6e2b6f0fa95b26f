"""Equations of a graph's nodes, run and differentiated."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import cast, final

import jax
import jax.numpy as jnp
from jax import lax

from backlight.engine.application import Applied
from backlight.engine.runner import Differentiable, Pullback, Runner, Values
from backlight.graph.graph import Node
from backlight.rules.operations import Kind
from backlight.values.arrays import Array, Arrays
from backlight_jax.capture.graph import equations
from backlight_jax.capture.program import Operand, run
from backlight_jax.derivatives.conventions import windows_gradient


@final
class JaxRunner(Runner):
    """Runs equations as they were traced, under their own scopes and settings."""

    arrays = cast(Arrays, jnp)

    def run(self, nodes: Iterable[Node], values: Values, frozen: bool = False) -> None:
        run(equations(nodes), values)

    def vjp(
        self, function: Differentiable, operands: Sequence[Array]
    ) -> tuple[Pullback, Sequence[Array], Values]:
        results, pullback, added = jax.vjp(function, list(operands), has_aux=True)
        return lambda gradients: pullback(list(gradients))[0], results, added

    def stopped(self, array: Array) -> Array:
        return lax.stop_gradient(array)

    def derivative(
        self, op: Applied, inputs: Sequence[Array], grad: Array
    ) -> Sequence[Array] | None:
        (equation,) = equations(op.nodes[:1])
        if op.kind is not Kind.MAX_POOL or equation.primitive != "reduce_window_max":
            return super().derivative(op, inputs, grad)
        found = windows_gradient(equation, inputs[0], op.results(inputs)[0], grad)
        return None if found is None else (cast(Array, found),)

    def has_own_derivative(self, nodes: Sequence[Node]) -> bool:
        return any("custom_vjp" in equation.primitive for equation in equations(nodes))

    def reading(self, node: Node, operands: Mapping[int, int]) -> Node:
        """In the places of the equation that hold the same values."""
        (equation,) = equations([node])
        renamed, remaining = {node.operands[at] for at in operands}, iter(operands.values())
        inputs: list[Operand] = [
            next(remaining) if isinstance(one, int) and one in renamed else one
            for one in equation.inputs
        ]
        return replace(node, native=replace(equation, inputs=tuple(inputs)))


RUNNER = JaxRunner()
