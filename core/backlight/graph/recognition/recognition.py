"""The operations of a graph, as given rules see them."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TypeAlias, final

from backlight.graph.dependence.dependence import Dependence
from backlight.graph.evaluation import Region, graph_key
from backlight.graph.graph import DType, Graph, Node
from backlight.graph.primitives import Family, family
from backlight.graph.recognition.folding import folded, linear_of, moved
from backlight.graph.recognition.inverses import undone
from backlight.graph.recognition.kinds import JOINS, kind_of
from backlight.graph.recognition.quotients import bounded, power_of, reciprocal_of
from backlight.graph.recognition.regions import Found, closed_regions, largest_named
from backlight.graph.recognition.signs import not_negative
from backlight.graph.unit import Unit
from backlight.memory.recent import Recent
from backlight.rules.operations import (
    COMPOSITE,
    LINEAR,
    PIECEWISE_LINEAR,
    SMOOTH_RECTIFIERS,
    UNARY,
    Kind,
    Operation,
)
from backlight.rules.rules import Rules

INSIDE = frozenset({Kind.MUL, Kind.DIV, Kind.POW, Kind.SUM, Kind.ADD, Kind.SCALE, Kind.MAX}) | UNARY
"""What composite kinds are made of: where rules are for none of these, they need not be opened."""

RECTIFIERS = PIECEWISE_LINEAR | SMOOTH_RECTIFIERS
"""Of these none is inside of a composite kind, but for what keeps a variance from falling below 0."""

KEPT = 64
"""How many graphs are remembered with what was recognised in them."""

Place: TypeAlias = Unit | int
"""A recognised operation, or the position of a node that is none."""


@final
@dataclass(frozen=True, eq=False)
class Recognised:
    """A graph with its operations.

    Attributes:
        graph: the graph.
        flow: its data flow.
        steps: every needed node once, by itself or in a unit, in an order that can be run.
        units: the units among these.
    """

    graph: Graph
    flow: Dependence
    steps: tuple[Place, ...]
    units: tuple[Unit, ...]

    @property
    def operations(self) -> tuple[Operation, ...]:
        return tuple(unit.described for unit in self.units)


_remembered: Recent[tuple[Dependence, tuple[Place, ...]]] = Recent(KEPT)


def recognise(graph: Graph, rules: Rules, name: Callable[[Unit], str] | None = None) -> Recognised:
    """The operations between a graph's sources and its targets.

    What was recognised in a graph that is equal, places included, is not looked for again.

    Args:
        graph: the graph.
        rules: what they are recognised for: composite kinds that rules do not name are opened, if rules
            are for anything that they are made of.
        name: gives the name of an operation; its core's place by default.
    """
    if name is not None:
        flow = Dependence(graph)
        steps = _steps(flow, rules, name)
        return _recognised(graph, flow, steps)

    def make() -> tuple[Dependence, tuple[Place, ...]]:
        flow = Dependence(graph)
        steps = _steps(flow, rules, lambda unit: graph.nodes[unit.core].place)
        return flow.of(Graph()), steps  # without the backend's own handles, which may hold arrays

    flow, steps = _remembered.recall((graph_key(graph), rules), make)
    return _recognised(graph, flow.of(graph), steps)


def _recognised(graph: Graph, flow: Dependence, steps: tuple[Place, ...]) -> Recognised:
    return Recognised(graph, flow, steps, tuple(one for one in steps if isinstance(one, Unit)))


def _steps(flow: Dependence, rules: Rules, name: Callable[[Unit], str]) -> tuple[Place, ...]:
    taken: dict[int, Unit] = {}

    def take(unit: Unit) -> None:
        taken.update(dict.fromkeys(unit.positions, unit))

    def choose(position: int) -> None:
        node = flow.nodes[position]
        if flow.otherwise(node) and node.primitive not in JOINS:
            region = chosen(flow, position, taken, rules)
            if region is not None:
                take(unit_of(region, Found(Kind.ELEMENTWISE)))

    opened = bool(rules.kinds & (INSIDE - RECTIFIERS))

    def allowed(kind: Kind) -> bool:
        return kind not in COMPOSITE or kind in rules.kinds or not opened

    order = [at for at in sorted(flow.needed) if is_passed(flow, at)]
    for position in reversed(order):
        if position not in taken:
            found = largest_named(flow, position, taken, allowed)
            over = bounded(flow, position, taken) if Kind.ELEMENTWISE in rules.kinds else None
            if over is not None and (found is None or len(found[0].nodes) < len(over.nodes)):
                found = over, Found(Kind.ELEMENTWISE)
            if found is not None:
                take(unit_of(*found))
            elif Kind.ELEMENTWISE in rules.kinds:
                choose(position)
    for position in reversed(order):
        if position not in taken:
            choose(position)
    for position in order:
        if position not in taken:
            unit = single(flow, position)
            if unit is not None:
                take(unit)
    for unit in distinct(taken.values()):
        if unit.linear is not None:
            take(folded(flow, unit, rules.folds_scales, taken))
    if Kind.NEURON in rules.kinds:
        for unit in distinct(taken.values()):
            joined = neuron(flow, unit, taken)
            if joined is not None:
                take(joined)
    steps: list[Place] = []
    for position in sorted(flow.needed):
        if position not in taken:
            steps.append(position)
        elif taken[position].positions[-1] == position:
            steps.append(taken[position])
    return tuple(described(flow, steps, taken, name))


def is_passed(flow: Dependence, position: int) -> bool:
    """Whether gradients flow through a node."""
    node = flow.nodes[position]
    return bool(flow.activity(node)) and not flow.active.isdisjoint(node.results)


def distinct(units: Iterable[Unit]) -> list[Unit]:
    return list(dict.fromkeys(units))


def unit_of(region: Region, found: Found) -> Unit:
    positions = region.positions
    return Unit(
        found.kind,
        positions,
        (region.entry,),
        (region.sink,),
        core=positions[-1],
        axes=found.axes,
        replayable=all(node.replayable for node in region.nodes),
        constant=found.constant,
        sizes=tuple(region.nodes[place].result for place in found.sizes),
    )


def chosen(
    flow: Dependence, position: int, taken: Mapping[int, Unit], rules: Rules
) -> Region | None:
    """The smallest function of each number by itself that ends in a node which depends on the value by
    tests too, so that it makes no sense alone."""
    for region in closed_regions(flow, position, taken):
        if not region.is_pointwise or region.stops:
            return None
        inner = {
            kind_of(flow, node)
            for node in region.nodes
            if flow.activity(node) and not flow.otherwise(node)
        }
        seen = Kind.ELEMENTWISE in rules.kinds or rules.kinds.isdisjoint(inner - {None})
        return region if seen else None
    return None


def single(flow: Dependence, position: int) -> Unit | None:
    """The operation that a node by itself is; None if it only moves numbers."""
    node = flow.nodes[position]
    outputs = tuple(value for value in node.results if value in flow.active)
    kind = kind_of(flow, node)
    if not outputs or kind is None:
        return None
    inputs = tuple(node.operands[place] for place in flow.activity(node))
    if kind in UNARY:  # of one value, that is read twice perhaps
        inputs = tuple(dict.fromkeys(inputs))
    chosen_by_value = kind is Kind.OTHER and bool(flow.otherwise(node))
    return Unit(
        kind,
        (position,),
        inputs,
        outputs,
        core=position,
        axes=tuple(node.attributes.get("axes", ()) or ()) if kind in WITH_AXES else (),
        replayable=node.replayable and not chosen_by_value,
        linear=linear_of(flow, position, kind) if kind in LINEAR else None,
    )


WITH_AXES = frozenset({Kind.SOFTMAX, Kind.LOG_SOFTMAX, Kind.LOGSUMEXP, Kind.MAX, Kind.MIN})


def neuron(flow: Dependence, unit: Unit, taken: Mapping[int, Unit]) -> Unit | None:
    """A linear operation together with the unary function that is the only user of its result."""
    if unit.kind not in LINEAR or unit.output in flow.kept:
        return None
    unit = moved(flow, unit, taken)
    users = flow.users.get(unit.output, ())
    followers = {id(taken[at]): taken[at] for at in users if at in taken}
    if len(followers) != 1 or any(at not in taken for at in users):
        return None
    (follower,) = followers.values()
    if follower.kind not in UNARY or set(follower.inputs) != {unit.output}:
        return None
    if not follower.replayable:
        return None
    return Unit(
        Kind.NEURON,
        (*unit.positions, *follower.positions),
        unit.inputs,
        follower.outputs,
        core=unit.core,
        parts=(unit, follower),
    )


def described(
    flow: Dependence,
    steps: list[Place],
    taken: Mapping[int, Unit],
    name: Callable[[Unit], str],
) -> list[Place]:
    """The steps, each unit with its operation: first and last are known once all units are."""
    before = set(flow.sources)
    firsts: list[bool] = []
    for step in steps:
        first = not before.isdisjoint(entering(flow, step))
        firsts.append(first)
        if first and not is_linear(step):
            before.update(leaving(flow, step))
    behind = set(flow.graph.targets)
    lasts: list[bool] = []
    for step in reversed(steps):
        last = not behind.isdisjoint(leaving(flow, step))
        lasts.append(last)
        if last and not is_linear(step):
            behind.update(entering(flow, step))
    results: list[Place] = []
    known, inverse = not_negative(flow, steps), undone(flow, steps)
    for step, first, last in zip(steps, firsts, reversed(lasts), strict=True):
        if isinstance(step, Unit):
            step = operated(flow, step, first, last, taken, name, known, inverse)
        results.append(step)
    return results


def operated(
    flow: Dependence,
    unit: Unit,
    first: bool,
    last: bool,
    taken: Mapping[int, Unit],
    name: Callable[[Unit], str],
    known: frozenset[int],
    inverse: frozenset[int],
) -> Unit:
    spelled = len(unit.positions) > 1 and unit.kind in COMPOSITE - {Kind.NEURON}
    cast = deciding(flow, unit)
    operation = Operation(
        unit.kind,
        name(unit) if cast is None else cast.place,
        unit.kind.value if spelled else (cast or flow.nodes[unit.core]).type,
        flow.shape(unit.output),
        first=first,
        last=last,
        axes=unit.axes,
        reciprocal=reciprocal_of(flow, unit, taken),
        power=power_of(flow, unit),
        replayable=unit.replayable,
        channel_axis=channel_axis(unit),
        rectified=known.issuperset(unit.inputs),
        chosen=is_chosen(flow, unit),
        undone=unit.output in inverse,
    )
    parts = tuple(
        operated(flow, part, first, last, taken, name, known, inverse) for part in unit.parts
    )
    return replace(unit, operation=operation, parts=parts)


def is_chosen(flow: Dependence, unit: Unit) -> bool:
    """See `Operation.chosen`."""
    node = flow.nodes[unit.core]
    if unit.kind is Kind.SHIFT:
        return any(map(flow.is_chosen, node.operands))
    arithmetic = unit.kind is Kind.OTHER and family(node) is Family.POINTWISE
    return arithmetic and not unit.replayable and bool(flow.otherwise(node))


def deciding(flow: Dependence, unit: Unit) -> Node | None:
    """The cast to whole numbers that decides what an operation does which is not run again."""
    if unit.kind is not Kind.OTHER or unit.replayable:
        return None
    pending = [flow.nodes[unit.core].operands[at] for at in flow.otherwise(flow.nodes[unit.core])]
    while pending:
        node = flow.producer(pending.pop())
        if node is None:
            continue
        if node.primitive == "convert" and node.attributes["to"] is DType.INTEGER:
            return node
        if not flow.activity(node):
            pending += [node.operands[at] for at in flow.otherwise(node)]
    return None


def channel_axis(unit: Unit) -> int | None:
    linear = unit.parts[0].linear if unit.parts else unit.linear
    axes = [axis for axis in linear.axes if axis is not None] if linear is not None else []
    return axes[0] if len(axes) == 1 else None


def is_linear(step: Place) -> bool:
    return isinstance(step, Unit) and (step.kind in LINEAR or step.kind is Kind.NEURON)


def entering(flow: Dependence, step: Place) -> tuple[int, ...]:
    return step.inputs if isinstance(step, Unit) else flow.nodes[step].operands


def leaving(flow: Dependence, step: Place) -> tuple[int, ...]:
    return step.outputs if isinstance(step, Unit) else flow.nodes[step].results
