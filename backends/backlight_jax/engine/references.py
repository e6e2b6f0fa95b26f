"""The pass over a reference: once for all examples where that can be, else with a row for each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

import jax.numpy as jnp
import numpy as np

from backlight.errors import ModelError, TargetError
from backlight.graph.pairing import broadcasts, mismatch_of
from backlight.graph.unit import Unit
from backlight.rules import Rules
from backlight.scores import Score
from backlight_jax.capture.program import SCORE, Operand, read, run
from backlight_jax.capture.scored import Explained, Values, explained
from backlight_jax.capture.trace import Trace
from backlight_jax.engine.applications import Applied


@final
@dataclass(frozen=True, eq=False)
class Reference:
    """How the net runs over a reference.

    Attributes:
        found: the net and the score of the batch, with their operations.
        net: the same net, for one row if the reference is one that all examples share.
        units: its operations, by the results of the batch's.
    """

    found: Explained
    net: Explained
    units: Mapping[int, Unit]

    @property
    def constants(self) -> Sequence[Any]:
        """What `run` takes of the net."""
        return self.net.scored.constants

    def run(
        self, constants: Sequence[Any], arrays: Sequence[Any], starts: Sequence[Any], known: Values
    ) -> tuple[Values, dict[int, Applied]]:
        """The values that lead to the score, and all operations by the numbers of the batch's results.
        The score is computed for all examples, as each has a class of its own.

        Args:
            constants: see `constants`.
            arrays: the arguments of the batch.
            starts: the reference.
            known: the batch's values before what is differentiated.
        """
        built, single = self.found.scored, self.net.scored
        values = dict(known)
        if single is not built:  # where this is chosen, the rows are alike up to the site
            values = single.start(constants, single.trace.signature.first_rows(arrays), None)
            run(single.program.nodes[: single.begin], values)
        single.put(values, starts)
        run_steps(self.net, values, score=False)
        after = dict(known)
        for value, one in zip(built.read, single.read, strict=True):
            if isinstance(value, int):
                after[value] = jnp.broadcast_to(read(values, one), built.graph.shape(value))
        run_steps(self.found, after, score=True)
        units = {
            unit.output: Applied(single.graph, self.units[unit.output], values)
            if unit.output in self.units
            else Applied(built.graph, unit, after)
            for unit in self.found.recognised.units
        }
        return after, units


def run_steps(found: Explained, values: Values, score: bool) -> None:
    """Run the steps of the score, or those of the net."""
    for _, nodes in found.steps:
        if score is (nodes[-1].path[:1] == SCORE):
            run(nodes, values)


def reference_for(
    trace: Trace, score: Score, rules: Rules, found: Explained, starts: Sequence[Any]
) -> Reference:
    """With one row, if the reference has one, and the net's operations for one example are those for
    the batch, with an axis of length 1 where those have the examples; else with as many as the batch."""
    whole = Reference(found, found, {unit.output: unit for unit in own_units(found)})
    signature = trace.signature
    one_row = all(start.shape[0] == 1 for start in starts)
    if not one_row or signature.count == 1 or not independent(found):
        return whole
    try:
        single = trace.sibling(signature.of_count(1))
        first = score.take(np.zeros(1, dtype=np.int64))
        other = explained(single, first, found.scored.at, rules)
    except (ModelError, TargetError, AssertionError, KeyError):  # for one number of examples only
        return whole
    mine, theirs = own_units(found), own_units(other)
    if mismatch_of(found.recognised, mine, other.recognised, theirs) is not None:
        return whole
    here, there = found.scored, other.scored

    def goes_with(one: Operand, many: Operand) -> bool:
        if isinstance(one, int) and isinstance(many, int):
            return broadcasts(there.graph.shape(one), here.graph.shape(many))
        return not (isinstance(one, int) or isinstance(many, int))

    if len(here.read) != len(there.read) or not all(map(goes_with, there.read, here.read)):
        return whole
    return Reference(found, other, {one.output: two for one, two in zip(mine, theirs, strict=True)})


def own_units(found: Explained) -> tuple[Unit, ...]:
    """The operations of the net, without the score's."""
    return tuple(
        unit for unit, nodes in found.steps if unit is not None and nodes[-1].path[:1] != SCORE
    )


def independent(found: Explained) -> bool:
    """Whether the net depends on nothing that differs between examples but the value itself."""
    built, rows = found.scored, found.recognised.flow.rows
    known = {*built.sources, *built.places}
    known.update(value for _, nodes in found.steps for node in nodes for value in node.outputs)
    return not any(
        value in rows and value not in known
        for _, nodes in found.steps
        if nodes[-1].path[:1] != SCORE
        for node in nodes
        for value in node.values
    )
