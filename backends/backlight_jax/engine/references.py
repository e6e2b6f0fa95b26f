"""The pass over a reference: once for all examples where that can be, else with a row for each."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

import jax.numpy as jnp
import numpy as np

from backlight.errors import ModelError, TargetError
from backlight.graph.pairing import broadcasts, mismatch_of
from backlight.graph.unit import Unit
from backlight.rules import Rules
from backlight.scores import Score
from backlight_jax.capture.program import SCORE, run
from backlight_jax.capture.scored import Explained, explained
from backlight_jax.capture.trace import Trace
from backlight_jax.engine import passes
from backlight_jax.engine.applications import Applied
from backlight_jax.engine.steps import Values, read
from backlight_jax.sites.places import Place


@final
@dataclass(frozen=True, eq=False)
class Shared:
    """The net for one example, whose operations go with those for the whole batch."""

    found: Explained
    units: dict[int, Unit]
    """By the number of the batch's result."""


def whole_reference(
    found: Explained,
    start: Values,
    starts: Sequence[Any],
    at: Place | None,
) -> tuple[Values, dict[int, Applied]]:
    """The pass over a reference with one row per example."""
    values = dict(start)
    if at is None:
        for value, given in zip(found.scored.attributed, starts, strict=True):
            shape = values[value].shape
            values[value] = jnp.broadcast_to(given, shape).astype(values[value].dtype)
    else:
        (number,) = found.scored.sources
        (given,) = starts
        shape = passes.shown(values[number], at).shape
        values[number] = passes.hidden(jnp.broadcast_to(given, shape), at, values[number])
    run_steps(found, values)
    graph = found.scored.graph
    return values, {unit.output: Applied(graph, unit, values) for unit in found.units}


def run_steps(found: Explained, values: Values, score: bool | None = None) -> None:
    """Run the steps: all, or only those of the score, or only those of the net."""
    for _, nodes in found.steps:
        if score is None or score is (nodes[-1].path[:1] == SCORE):
            run(nodes, values)


def one_row_reference(
    shared: Shared,
    found: Explained,
    constants: Sequence[Any],
    arrays: Sequence[Any],
    starts: Sequence[Any],
    start: Values,
    at: Place | None,
) -> tuple[Values, dict[int, Applied]]:
    """The pass over a reference that all examples share: the net runs for one, the score for all."""
    single = shared.found.scored
    signature = single.trace.signature
    first = len(signature.weights)
    given = list(arrays)
    values: Values
    if at is None:
        for index, one in enumerate(starts):
            like = arrays[first + index]
            given[first + index] = one.astype(like.dtype)
        values = passes.start(single.program, constants, given)
    else:
        for index, (shape, dtype, _) in enumerate((*signature.attributed, *signature.extra)):
            rows = (
                index < len(signature.attributed)
                or signature.rows[index - len(signature.attributed)]
            )
            if rows:  # what precedes the site is not looked at
                given[first + index] = jnp.zeros(shape, dtype)
        values = passes.start(single.program, constants, given)
        run(single.program.nodes[: single.begin], values)
        (number,) = single.sources
        values[number] = passes.hidden(starts[0], at, values[number])
    run_steps(shared.found, values, score=False)
    built = found.scored
    after = dict(start)
    for value, one in zip(built.read, single.read, strict=True):
        if isinstance(value, int):
            shape = built.graph.shape(value)
            after[value] = jnp.broadcast_to(read(values, one), shape)
    run_steps(found, after, score=True)
    units = {
        unit.output: Applied(single.graph, shared.units[unit.output], values)
        if unit.output in shared.units
        else Applied(built.graph, unit, after)
        for unit in found.units
    }
    return after, units


def paired(
    trace: Trace, score: Score, at: Place | None, rules: Rules, found: Explained
) -> Shared | None:
    """The net for one example, if its operations are those for the batch, with an axis of length 1
    where those have the examples; else the reference runs with as many rows as the batch."""
    signature = trace.signature
    if signature.count == 1 or not independent(found, at):
        return None
    try:
        single = trace.sibling(signature.of_count(1))
        other = explained(single, score.take(np.zeros(1, dtype=np.int64)), at, rules)
    except (ModelError, TargetError, AssertionError, KeyError):  # for one number of examples only
        return None
    mine, theirs = own_units(found), own_units(other)
    if mismatch_of(found.recognised, mine, other.recognised, theirs) is not None:
        return None
    read = found.scored.read, other.scored.read
    if len(read[0]) != len(read[1]):
        return None
    for value, result in zip(*read, strict=True):
        if isinstance(value, int) != isinstance(result, int):
            return None
        shapes = (one.scored.graph.shape for one in (other, found))
        if isinstance(value, int) and isinstance(result, int):
            there, here = (shape(at) for shape, at in zip(shapes, (result, value), strict=True))
            if not broadcasts(there, here):
                return None
    return Shared(other, {one.output: two for one, two in zip(mine, theirs, strict=True)})


def own_units(found: Explained) -> tuple[Unit, ...]:
    """The operations of the net, without the score's."""
    return tuple(
        unit for unit, nodes in found.steps if unit is not None and nodes[-1].path[:1] != SCORE
    )


def independent(found: Explained, at: Place | None) -> bool:
    """Whether the net depends on nothing that differs between examples but the value itself."""
    built, rows = found.scored, found.recognised.flow.rows
    known = {*built.sources, *(() if at is not None else built.attributed)}
    known.update(value for _, nodes in found.steps for node in nodes for value in node.outputs)
    return not any(
        value in rows and value not in known
        for _, nodes in found.steps
        if nodes[-1].path[:1] != SCORE
        for node in nodes
        for value in node.values
    )
