"""The pass over a reference: once for all examples where that can be, else with a row for each."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

import jax.numpy as jnp
import numpy as np

from backlight.errors import ModelError, TargetError
from backlight.rules import Rules
from backlight.scores import Score
from backlight_jax import passes
from backlight_jax.circuit import SCORE, circuit
from backlight_jax.labels import namer
from backlight_jax.naming import Place
from backlight_jax.program import run
from backlight_jax.recognition import Recognised, recognise
from backlight_jax.ruled import Values, run_unit
from backlight_jax.trace import Trace
from backlight_jax.units import Unit


def recognised(trace: Trace, score: Score | None, at: Place | None, rules: Rules) -> Recognised:
    return recognise(circuit(trace, score, at), rules, namer(trace))


@final
@dataclass(frozen=True, eq=False)
class Shared:
    """The net for one example, whose operations go with those for the whole batch."""

    found: Recognised
    units: dict[int, Unit]
    """By the number of the batch's result."""


def read(values: Values, operand: Any) -> Any:
    return values[operand] if isinstance(operand, int) else jnp.asarray(operand.val)


def whole_reference(
    found: Recognised,
    start: Values,
    starts: Sequence[Any],
    attributed: Sequence[int],
    at: Place | None,
) -> tuple[Values, dict[int, tuple[Unit, Values]]]:
    """The pass over a reference with one row per example."""
    values = dict(start)
    if at is None:
        for value, given in zip(attributed, starts, strict=True):
            shape = values[value].shape
            values[value] = jnp.broadcast_to(given, shape).astype(values[value].dtype)
    else:
        (number,) = found.circuit.sources
        (given,) = starts
        shape = passes.shown(values[number], at).shape
        values[number] = passes.hidden(jnp.broadcast_to(given, shape), at, values[number])
    run_steps(found, values)
    return values, {unit.output: (unit, values) for unit in found.units}


def run_steps(found: Recognised, values: Values, score: bool | None = None) -> None:
    """Run the steps: all, or only those of the score, or only those of the net."""
    for step in found.steps:
        node = step.nodes[-1] if isinstance(step, Unit) else step
        if score is not None and score is not (node.path[:1] == SCORE):
            continue
        if isinstance(step, Unit):
            run_unit(step, values)
        else:
            run([step], values)


def one_row_reference(
    shared: Shared,
    found: Recognised,
    constants: Sequence[Any],
    arrays: Sequence[Any],
    starts: Sequence[Any],
    start: Values,
    at: Place | None,
) -> tuple[Values, dict[int, tuple[Unit, Values]]]:
    """The pass over a reference that all examples share: the net runs for one, the score for all."""
    single = shared.found.circuit
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
        run(single.nodes[: single.begin], values)
        (number,) = single.sources
        values[number] = passes.hidden(starts[0], at, values[number])
    run_steps(shared.found, values, score=False)
    circuit = found.circuit
    after = dict(start)
    for value, one in zip(circuit.scored, single.scored, strict=True):
        if isinstance(value, int):
            shape = tuple(circuit.program.avals[value].shape)
            after[value] = jnp.broadcast_to(read(values, one), shape)
    run_steps(found, after, score=True)
    units: dict[int, tuple[Unit, Values]] = {}
    for unit in found.units:
        if unit.output in shared.units:
            units[unit.output] = (shared.units[unit.output], values)
        else:
            units[unit.output] = (unit, after)
    return after, units


def paired(
    trace: Trace, score: Score, at: Place | None, rules: Rules, found: Recognised
) -> Shared | None:
    """The net for one example, if its operations are those for the batch, with an axis of length 1
    where those have the examples; else the reference runs with as many rows as the batch."""
    signature = trace.signature
    if signature.count == 1 or not independent(found, at):
        return None
    try:
        single = trace.sibling(signature.of_count(1))
        other = recognised(single, score.take(np.zeros(1, dtype=np.int64)), at, rules)
    except (ModelError, TargetError, AssertionError, KeyError):  # for one number of examples only
        return None
    mine, theirs = (
        [unit for unit in each.units if unit.nodes[-1].path[:1] != SCORE] for each in (found, other)
    )
    if len(mine) != len(theirs) or len(found.circuit.scored) != len(other.circuit.scored):
        return None
    for one, two in zip(mine, theirs, strict=True):
        values = zip((*one.inputs, one.output), (*two.inputs, two.output), strict=False)
        if (one.kind, one.type, len(one.inputs)) != (two.kind, two.type, len(two.inputs)):
            return None
        if not all(broadcasts(other.flow.shape(b), found.flow.shape(a)) for a, b in values):
            return None
    for value, result in zip(found.circuit.scored, other.circuit.scored, strict=True):
        if isinstance(value, int) != isinstance(result, int):
            return None
        if (
            isinstance(value, int)
            and isinstance(result, int)
            and not broadcasts(other.flow.shape(result), found.flow.shape(value))
        ):
            return None
    return Shared(other, {one.output: two for one, two in zip(mine, theirs, strict=True)})


def independent(found: Recognised, at: Place | None) -> bool:
    """Whether the net depends on nothing that differs between examples but the value itself."""
    built, flow = found.circuit, found.flow
    attributed = () if at is not None else built.rows[: len(built.trace.signature.attributed)]
    allowed = {*built.sources, *attributed}
    own = {value for step in found.steps for value in step.outputs}
    for step in found.steps:
        nodes = step.nodes if isinstance(step, Unit) else (step,)
        own.update(value for node in nodes for value in node.outputs)
        if isinstance(step, Unit):
            own.update(step.arguments)
    for step in found.steps:
        nodes = step.nodes if isinstance(step, Unit) else (step,)
        if nodes[-1].path[:1] == SCORE:
            continue
        for node in nodes:
            if any(v in flow.rows and v not in own and v not in allowed for v in node.values):
                return False
    return True


def broadcasts(shape: tuple[int, ...], to: tuple[int, ...]) -> bool:
    return len(shape) == len(to) and all(
        one in (1, length) for one, length in zip(shape, to, strict=True)
    )
