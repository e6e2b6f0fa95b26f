"""The operations of a circuit, as given rules see them."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TypeAlias, final

from backlight.operations import LINEAR, UNARY, Kind, Operation
from backlight.rules import Rules
from backlight_jax.circuit import Circuit
from backlight_jax.composites import softmaxes
from backlight_jax.flow import Flow
from backlight_jax.functions import activations
from backlight_jax.normalizations import normalizations
from backlight_jax.primitives import plain
from backlight_jax.products import folded
from backlight_jax.program import Node
from backlight_jax.quotients import reciprocal_of
from backlight_jax.units import Unit

INSIDE = frozenset({Kind.MUL, Kind.DIV, Kind.POW, Kind.SUM, Kind.ADD, Kind.SCALE, Kind.MAX}) | UNARY
"""What composite kinds are made of: where rules are for none of these, they need not be opened."""

Step: TypeAlias = Unit | Node
"""A recognised operation, or an equation that is none."""


@final
@dataclass(frozen=True, eq=False)
class Recognised:
    """A circuit with its operations.

    Attributes:
        circuit: the circuit.
        flow: its data flow.
        steps: every needed equation once, by itself or in a unit, in an order that can be run.
    """

    circuit: Circuit
    flow: Flow
    steps: tuple[Step, ...]

    @property
    def units(self) -> list[Unit]:
        return [step for step in self.steps if isinstance(step, Unit)]

    @property
    def operations(self) -> tuple[Operation, ...]:
        return tuple(unit.described for unit in self.units)


def recognise(circuit: Circuit, rules: Rules, name: Callable[[Unit, Flow], str]) -> Recognised:
    """The operations between the circuit's sources and its targets."""
    flow = Flow(circuit)
    opened = bool(rules.kinds & (INSIDE - {Kind.RELU, Kind.RELU6}))

    def whole(kind: Kind) -> bool:
        return kind in rules.kinds or not opened

    taken: dict[int, Unit] = {}

    def take(unit: Unit) -> None:
        if not any(position in taken for position in unit.positions):
            taken.update(dict.fromkeys(unit.positions, unit))

    for unit in softmaxes(flow):
        if whole(unit.kind):
            take(unit)
    if whole(Kind.NORMALIZATION):
        for unit in normalizations(flow):
            take(unit)
    for unit in activations(flow, taken):
        take(unit)
    for position in sorted(flow.needed):
        if position not in taken and flow.activity(flow.nodes[position]):
            for unit in plain(flow, position):
                take(unit)
    for unit in list(dict.fromkeys(taken.values())):
        if unit.linear is not None:
            wider = folded(flow, unit, rules.folds, taken)
            taken.update(dict.fromkeys(wider.positions, wider))
    if Kind.NEURON in rules.kinds:
        for unit in list(dict.fromkeys(taken.values())):
            joined = neuron(flow, unit, taken)
            if joined is not None:
                taken.update(dict.fromkeys(joined.positions, joined))
    steps: list[Step] = []
    for position in sorted(flow.needed):
        if position < circuit.begin:
            continue
        if position not in taken:
            steps.append(flow.nodes[position])
        elif taken[position].positions[-1] == position:
            steps.append(taken[position])
    return Recognised(circuit, flow, tuple(described(flow, steps, taken, name)))


def neuron(flow: Flow, unit: Unit, taken: dict[int, Unit]) -> Unit | None:
    """A linear operation together with the unary function that is the only user of its result."""
    if unit.kind not in LINEAR:
        return None
    position = flow.sole_user(unit.output) if len(flow.users.get(unit.output, ())) == 1 else None
    if position is None:  # an activation may read it several times
        users = {id(taken[at]): taken[at] for at in flow.users.get(unit.output, ()) if at in taken}
        followers = list(users.values()) if unit.output not in flow.kept else []
        everywhere = all(at in taken for at in flow.users.get(unit.output, ()))
        follower = followers[0] if len(followers) == 1 and everywhere else None
    else:
        follower = taken.get(position)
    if follower is None or follower.kind not in UNARY or follower.inputs != (unit.output,):
        return None
    return Unit(
        Kind.NEURON,
        (*unit.nodes, *follower.nodes),
        unit.arguments,
        unit.inputs,
        follower.outputs,
        (*unit.positions, *follower.positions),
        unit.type,
        parts=(unit, follower),
    )


def described(
    flow: Flow,
    steps: Iterable[Step],
    taken: Mapping[int, Unit],
    name: Callable[[Unit, Flow], str],
) -> list[Step]:
    """The steps, each unit with its operation: first and last are known once all units are."""
    listed = list(steps)
    before = set(flow.circuit.sources)
    firsts: list[bool] = []
    for step in listed:
        first = any(value in before for value in entering(step))
        firsts.append(first)
        if first and not (isinstance(step, Unit) and is_linear(step)):
            before.update(step.outputs)
    behind = {target for target in flow.circuit.targets if isinstance(target, int)}
    lasts: list[bool] = []
    for step in reversed(listed):
        last = any(value in behind for value in step.outputs)
        lasts.append(last)
        if last and not (isinstance(step, Unit) and is_linear(step)):
            behind.update(entering(step))
    results: list[Step] = []
    for step, first, last in zip(listed, firsts, reversed(lasts), strict=True):
        if isinstance(step, Unit):
            reciprocal = reciprocal_of(flow, step, taken)
            step = operated(flow, step, first, last, reciprocal, name)
        results.append(step)
    return results


def operated(
    flow: Flow,
    unit: Unit,
    first: bool,
    last: bool,
    reciprocal: int | None,
    name: Callable[[Unit, Flow], str],
) -> Unit:
    operation = Operation(
        unit.kind,
        name(unit, flow),
        unit.type,
        flow.shape(unit.output),
        first=first,
        last=last,
        axes=unit.axes,
        reciprocal=reciprocal,
        replayable=unit.replayable,
    )
    parts = tuple(operated(flow, part, first, last, None, name) for part in unit.parts)
    return replace(unit, operation=operation, parts=parts)


def is_linear(unit: Unit) -> bool:
    return unit.kind in LINEAR or unit.kind is Kind.NEURON


def entering(step: Step) -> list[int]:
    return list(step.inputs) if isinstance(step, Unit) else step.values
