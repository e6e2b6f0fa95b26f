"""Which operations of a path are which units, for rules that name these kinds."""

from backlight.operations import LINEAR, UNARY, Kind
from backlight.rules import Rules
from backlight_tensorflow.flattening import Node
from backlight_tensorflow.linear_units import extend_tail
from backlight_tensorflow.paths import Path
from backlight_tensorflow.units import Unit, single


def recognise(path: Path, rules: Rules) -> list[Unit]:
    """The units of a path, in the order of computation."""
    claimed: dict[Node, Unit] = {}
    found: list[Unit] = []

    def claim(unit: Unit) -> None:
        found.append(unit)
        claimed.update(dict.fromkeys(unit.nodes, unit))

    for node in path.route:
        if node not in claimed and node not in path.walls:
            unit = single(path, node)
            if unit is not None:
                if unit.kind in LINEAR:
                    extend_tail(path, unit, claimed, rules.folds)
                claim(unit)
    if Kind.NEURON in rules.kinds:
        found = with_neurons(path, found)
    return sorted(found, key=lambda unit: path.position[unit.last])


def with_neurons(path: Path, units: list[Unit]) -> list[Unit]:
    """Linear operations and the unary functions that are their only users, as one unit each."""
    starts = {unit.inputs[0]: unit for unit in units if unit.kind in UNARY}
    found: dict[Unit, Unit] = {unit: unit for unit in units}
    for unit in units:
        unary = starts.get(unit.output)
        if unit.kind not in LINEAR or unary is None or path.is_sink(unit.output):
            continue
        users = path.users.get(unit.output, [])
        if unary.replayable and set(users) <= set(unary.nodes):
            nodes = [*unit.nodes, *unary.nodes]
            found[unit] = Unit(
                Kind.NEURON, nodes, unit.inputs, unary.output, unit.core, parts=(unit, unary)
            )
            del found[unary]
    return list(found.values())
