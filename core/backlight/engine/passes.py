"""Forward, and back operation by operation, as rules say."""

from collections.abc import Mapping, Sequence

from backlight.engine.application import Applied
from backlight.engine.explained import Explained, Part, Ruled, Stretch
from backlight.engine.reference import Reference
from backlight.engine.runner import Pullback, Runner, Values
from backlight.graph.graph import Graph
from backlight.values.arrays import Array


def ruled(
    runner: Runner,
    found: Explained,
    parts: Sequence[Part],
    values: Values,
    reference: Reference | None = None,
    there: Values | None = None,
) -> tuple[Values, Values | None]:
    """The gradients of what is explained, as rules say; and the values that lead to the score in the
    pass over a reference.

    Args:
        runner: what runs the operations.
        found: the operations of a net and one score.
        parts: what the backward pass is made of.
        values: those that are known before; those that are computed are added.
        reference: how the net runs over a reference.
        there: what is known there before, the reference among it.
    """
    pullbacks = forward(runner, parts, values)
    after: Values | None = None
    operations: dict[int, Applied] = {}
    if reference is not None and there is not None:
        after, operations = reference.run(runner, there, values)
    gradients: Values = {}
    (target,) = found.graph.targets
    if target in found.recognised.flow.active:
        gradients[target] = runner.arrays.zeros_like(values[target]) + 1
    backward(runner, found.graph, parts, pullbacks, values, operations, gradients)
    return gradients, after


def forward(runner: Runner, parts: Sequence[Part], values: Values) -> list[Pullback | None]:
    """Run everything; the pullbacks of what no rule is for."""
    pullbacks: list[Pullback | None] = []
    for part in parts:
        if isinstance(part, Ruled) or not part.inputs or not part.outputs:
            runner.run(part.nodes, values)
            pullbacks.append(None)
        else:
            pullbacks.append(differentiated(runner, part, values))
    return pullbacks


def differentiated(runner: Runner, part: Stretch, values: Values) -> Pullback:
    before, inputs = dict(values), [values[value] for value in part.inputs]
    if runner.records:
        runner.run(part.nodes, values)
        return runner.pullback([values[value] for value in part.outputs], inputs)

    def function(moved: Sequence[Array]) -> tuple[Sequence[Array], Values]:
        inner = {**before, **dict(zip(part.inputs, moved, strict=True))}
        runner.run(part.nodes, inner)
        added = {value: inner[value] for value in inner if value not in before}
        return [inner[value] for value in part.outputs], added

    pullback, _, found = runner.vjp(function, inputs)
    values.update(found)
    return pullback


def backward(
    runner: Runner,
    graph: Graph,
    parts: Sequence[Part],
    pullbacks: Sequence[Pullback | None],
    values: Mapping[int, Array],
    references: Mapping[int, Applied],
    gradients: Values,
) -> None:
    """Gradients of all values from those of the targets.

    Args:
        runner: what runs the operations.
        graph: that the operations are in.
        parts, pullbacks: of the pass, as `forward` gives them.
        values: of the pass, those at least that rules look at.
        references: the operations in the pass over a reference, by the numbers of their results.
        gradients: of the targets; those of what is explained are put beside them.
    """

    def add(numbers: Sequence[int], arrays: Sequence[Array]) -> None:
        for value, array in zip(numbers, arrays, strict=True):
            like, known = values.get(value), gradients.get(value)
            fitted = array if like is None else runner.fitted(array, like)
            gradients[value] = fitted if known is None else runner.added(known, fitted)

    for part, pullback in zip(reversed(parts), reversed(pullbacks), strict=True):
        arriving = [gradients.pop(value, None) for value in part.outputs]
        if all(one is None for one in arriving):
            continue
        given = [
            runner.arrays.zeros_like(values[value]) if one is None else one
            for value, one in zip(part.outputs, arriving, strict=True)
        ]
        if isinstance(part, Ruled):
            unit = part.unit
            with runner.after(given):
                op = Applied(runner, graph, unit, values, references.get(unit.output))
                add(part.inputs, part.rule(op, given[0]))
                if any(one is not None for one in arriving[1:]):
                    add(part.inputs, op.from_others(given[1:]))
        elif pullback is not None:
            add(part.inputs, pullback(given))
