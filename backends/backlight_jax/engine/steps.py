"""Forward, and back operation by operation, as rules say."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, cast, final

import jax
import jax.numpy as jnp

from backlight.graph.graph import Graph
from backlight.graph.unit import Unit
from backlight.rules import Rule, Rules
from backlight_jax.capture.program import Node, Operand, run
from backlight_jax.capture.scored import Explained
from backlight_jax.engine.applications import Applied
from backlight_jax.engine.units import results

Values: TypeAlias = dict[int, Any]
Pullback: TypeAlias = Callable[[Sequence[Any]], tuple[list[Any]]]
"""From the gradients of a stretch's outputs to those of its inputs."""


@final
@dataclass(frozen=True, eq=False)
class Stretch:
    """Equations that no rule is for, differentiated together.

    Attributes:
        nodes: the equations.
        inputs: what gradients flow to.
        outputs: what gradients flow from.
    """

    nodes: tuple[Node, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


@final
@dataclass(frozen=True, eq=False)
class Ruled:
    """A unit with its equations and its rule."""

    unit: Unit
    nodes: tuple[Node, ...]
    rule: Rule


Part: TypeAlias = Stretch | Ruled


def parts(found: Explained, rules: Rules) -> list[Part]:
    """What the backward pass is made of, in the order of the forward pass."""
    listed: list[Part] = []
    pending: list[Node] = []
    flow = found.recognised.flow
    reads = Counter(value for _, nodes in found.steps for node in nodes for value in node.values)

    def close() -> None:
        if not pending:
            return
        own = {value for node in pending for value in node.outputs}
        inside = Counter(value for node in pending for value in node.values)
        inputs = [v for v in inside if v in flow.active and v not in own]
        outputs = [
            v
            for node in pending
            for v in node.outputs
            if v in flow.active and (v in flow.kept or reads[v] > inside[v])
        ]
        listed.append(Stretch(tuple(pending), tuple(inputs), tuple(outputs)))
        pending.clear()

    for unit, nodes in found.steps:
        rule = None if unit is None else rules.choose(unit.described)
        if unit is not None and rule is not None:
            close()
            listed.append(Ruled(unit, nodes, rule))
        else:
            pending.extend(nodes)
    close()
    return listed


def read(values: Values, operand: Operand) -> Any:
    return values[operand] if isinstance(operand, int) else jnp.asarray(operand.val)


def forward(stretches: Sequence[Part], values: Values) -> list[Pullback | None]:
    """Run everything; the pullbacks of what no rule is for."""
    pullbacks: list[Pullback | None] = []
    for part in stretches:
        if isinstance(part, Ruled) or not part.inputs or not part.outputs:
            run(part.nodes, values)
            pullbacks.append(None)
        else:
            found, pullback = differentiated(part, values)
            values.update(found)
            pullbacks.append(pullback)
    return pullbacks


def differentiated(part: Stretch, values: Values) -> tuple[Values, Pullback]:
    computed: list[int] = []

    def function(moved: Sequence[Any]) -> tuple[list[Any], list[Any]]:
        inner = {**values, **dict(zip(part.inputs, moved, strict=True))}
        before = set(inner)
        run(part.nodes, inner)
        new = [value for value in inner if value not in before and value not in part.outputs]
        computed[:] = new
        return [inner[value] for value in part.outputs], [inner[value] for value in new]

    outputs, pullback, others = jax.vjp(
        function, [values[value] for value in part.inputs], has_aux=True
    )
    found = dict(zip(part.outputs, outputs, strict=True))
    found.update(zip(computed, others, strict=True))
    return found, pullback


def backward(
    graph: Graph,
    stretches: Sequence[Part],
    pullbacks: Sequence[Pullback | None],
    values: Mapping[int, Any],
    references: Mapping[int, Applied],
    gradients: Values,
) -> None:
    """Gradients of all values from those of the targets."""

    def add(value: int, gradient: Any) -> None:
        known = gradients.get(value)
        gradients[value] = gradient if known is None else known + gradient

    for part, pullback in zip(reversed(stretches), reversed(pullbacks), strict=True):
        if isinstance(part, Stretch):
            arriving = [gradients.pop(value, None) for value in part.outputs]
            if pullback is None or all(each is None for each in arriving):
                continue
            given = [
                jnp.zeros_like(values[value]) if each is None else each
                for value, each in zip(part.outputs, arriving, strict=True)
            ]
            (left,) = pullback(given)
            for value, gradient in zip(part.inputs, left, strict=True):
                add(value, gradient)
            continue
        unit, rule = part.unit, part.rule
        arriving = [gradients.pop(value, None) for value in unit.outputs]
        if all(each is None for each in arriving):
            continue
        given = [
            jnp.zeros_like(values[value]) if each is None else each
            for value, each in zip(unit.outputs, arriving, strict=True)
        ]
        op = Applied(graph, unit, values, references.get(unit.output))
        found: Sequence[Any] = rule(op, cast(Any, given[0]))
        for value, gradient in zip(unit.inputs, found, strict=True):
            add(value, jnp.broadcast_to(gradient, values[value].shape).astype(values[value].dtype))
        if any(each is not None for each in arriving[1:]):
            _, natively = jax.vjp(
                lambda *operands, unit=unit: results(graph, unit, values, operands), *op.inputs
            )
            zero = jnp.zeros_like(given[0])
            for value, gradient in zip(unit.inputs, natively((zero, *given[1:])), strict=True):
                add(value, gradient)
