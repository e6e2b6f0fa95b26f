"""The pass over a reference: once for all examples where that can be, else with a row for each."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar, final

from backlight.engine.application import Applied
from backlight.engine.explained import Explained
from backlight.engine.runner import Runner, Values
from backlight.errors import ModelError, TargetError
from backlight.graph.pairing import broadcasts, mismatch_of
from backlight.graph.unit import Unit
from backlight.values.arrays import Array, shape_of

T = TypeVar("T")


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

    def run(
        self, runner: Runner, values: Values, batch: Mapping[int, Array]
    ) -> tuple[Values, dict[int, Applied]]:
        """The values that lead to the score, and all operations by the numbers of the batch's results.
        The score is computed for all examples, as each has a class of its own.

        Args:
            runner: what runs the operations.
            values: those of `net` that are known, the reference among them.
            batch: the values of the pass over the batch.
        """
        found, net = self.found, self.net
        run_steps(runner, net, values, score=False)
        after = dict(batch)
        for value, one in zip(found.read, net.read, strict=True):
            if value is not None and one is not None:
                after[value] = runner.repeated(values[one], batch[value])
        run_steps(runner, found, after, score=True)
        operations = {
            unit.output: Applied(runner, net.graph, self.units[unit.output], values)
            if unit.output in self.units
            else Applied(runner, found.graph, unit, after)
            for unit in found.recognised.units
        }
        return after, operations


def run_steps(runner: Runner, found: Explained, values: Values, score: bool) -> None:
    """Run the steps of the score, or those of the net."""
    for step in found.steps:
        if step.of_score is score:
            runner.run(step.nodes, values)


def reference_for(found: Explained, sibling: Callable[[], Explained] | None) -> Reference:
    """With one row, if the net's operations for one example are those for the batch, with an axis of
    length 1 where those have the examples; else with as many as the batch.

    Args:
        found: the net and the score.
        sibling: gives them for one example; None where the reference has more rows than one.
    """
    whole = Reference(found, found, {unit.output: unit for unit in found.own_units})
    if sibling is None or not found.independent:
        return whole
    try:
        single = sibling()
    except (ModelError, TargetError, AssertionError, KeyError):  # for one number of examples only
        return whole
    mine, theirs = found.own_units, single.own_units
    if mismatch_of(found.recognised, mine, single.recognised, theirs) is not None:
        return whole

    def goes_with(one: int | None, many: int | None) -> bool:
        if one is None or many is None:
            return one is many
        return broadcasts(single.graph.shape(one), found.graph.shape(many))

    if len(single.read) != len(found.read) or not all(map(goes_with, single.read, found.read)):
        return whole
    return Reference(
        found, single, {one.output: two for one, two in zip(mine, theirs, strict=True)}
    )


def reference_among(
    found: Explained,
    own: T,
    starts: Sequence[Array],
    count: int,
    single: Callable[[], tuple[Explained, T]],
) -> tuple[Reference, T]:
    """How the net runs over a reference, and what a backend has beside the net that does.

    Args:
        found: the net and the score.
        own: what the backend has beside them.
        starts: the reference.
        count: how many examples the batch has.
        single: gives both for one example.
    """
    made = [(found, own)]

    def sibling() -> Explained:
        made.append(single())
        return made[-1][0]

    shared = count > 1 and all(shape_of(start)[0] == 1 for start in starts)
    reference = reference_for(found, sibling if shared else None)
    return reference, next(beside for net, beside in made if net is reference.net)
