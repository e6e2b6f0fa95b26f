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
from backlight_jax.capture.program import Node, run
from backlight_jax.capture.scored import Explained, Values
from backlight_jax.engine.applications import Applied

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
    """A unit of a graph with its equations and its rule."""

    graph: Graph
    unit: Unit
    nodes: tuple[Node, ...]
    rule: Rule

    @property
    def inputs(self) -> tuple[int, ...]:
        return self.unit.inputs

    @property
    def outputs(self) -> tuple[int, ...]:
        return self.unit.outputs


Part: TypeAlias = Stretch | Ruled


def parts_of(found: Explained, rules: Rules) -> list[Part]:
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
            listed.append(Ruled(found.scored.graph, unit, nodes, rule))
        else:
            pending.extend(nodes)
    close()
    return listed


def forward(parts: Sequence[Part], values: Values) -> list[Pullback | None]:
    """Run everything; the pullbacks of what no rule is for."""
    pullbacks: list[Pullback | None] = []
    for part in parts:
        if isinstance(part, Ruled) or not part.inputs or not part.outputs:
            run(part.nodes, values)
            pullbacks.append(None)
        else:
            pullbacks.append(differentiated(part, values))
    return pullbacks


def differentiated(part: Stretch, values: Values) -> Pullback:
    def function(moved: Sequence[Any]) -> tuple[list[Any], Values]:
        inner = {**values, **dict(zip(part.inputs, moved, strict=True))}
        run(part.nodes, inner)
        return [inner[value] for value in part.outputs], {
            value: inner[value] for value in inner if value not in values
        }

    moved = [values[value] for value in part.inputs]
    _, pullback, found = jax.vjp(function, moved, has_aux=True)
    values.update(found)
    return cast(Pullback, pullback)


def backward(
    parts: Sequence[Part],
    pullbacks: Sequence[Pullback | None],
    values: Mapping[int, Any],
    references: Mapping[int, Applied],
    gradients: Values,
) -> None:
    """Gradients of all values from those of the targets."""
    for part, pullback in zip(reversed(parts), reversed(pullbacks), strict=True):
        arriving = {value: gradients.pop(value) for value in part.outputs if value in gradients}
        if not arriving:
            continue
        given = [
            arriving[value] if value in arriving else jnp.zeros_like(values[value])
            for value in part.outputs
        ]
        found: list[Sequence[Any]] = []
        if isinstance(part, Ruled):
            op = Applied(part.graph, part.unit, values, references.get(part.unit.output))
            found.append(part.rule(op, cast(Any, given[0])))
            if any(value in arriving for value in part.outputs[1:]):
                _, natively = jax.vjp(op.results, *op.inputs)
                found.append(natively((jnp.zeros_like(given[0]), *given[1:])))
        elif pullback is not None:
            found += pullback(given)
        for left in found:
            for value, gradient in zip(part.inputs, left, strict=True):
                like = values[value]
                gradient = jnp.broadcast_to(gradient, like.shape).astype(like.dtype)
                known = gradients.get(value)
                gradients[value] = gradient if known is None else known + gradient
