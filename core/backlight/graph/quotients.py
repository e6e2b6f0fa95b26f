"""Powers, and products that are quotients: a factor comes from one over something."""

from collections.abc import Mapping

from backlight.graph.dependence import Dependence
from backlight.graph.unit import Unit
from backlight.operations import Kind


def reciprocal_of(flow: Dependence, unit: Unit, taken: Mapping[int, Unit]) -> int | None:
    """Which factor of a product comes from one over something, the first if both do."""
    if unit.kind is not Kind.MUL or flow.nodes[unit.core].primitive != "mul":
        return None
    factors = enumerate(unit.inputs)
    return next((place for place, one in factors if from_reciprocal(flow, one, taken)), None)


def from_reciprocal(flow: Dependence, value: int, taken: Mapping[int, Unit]) -> bool:
    """Whether nothing but moves and scales by constants is between it and one over something."""
    while value in flow.producers and value not in flow.sources:
        position = flow.producers[value]
        unit = taken.get(position)
        unit = unit.parts[-1] if unit is not None and unit.parts else unit
        if unit is not None and unit.kind is not Kind.SCALE:
            return value == unit.output and is_reciprocal(flow, unit)
        node = flow.nodes[position]
        active = flow.activity(node)
        if len(active) != 1:  # joined with other active numbers, or written into them
            return False
        value = node.operands[active[0]]
    return False


def is_reciprocal(flow: Dependence, unit: Unit) -> bool:
    power = power_of(flow, unit)
    return unit.kind is Kind.RSQRT or (power is not None and power < 0)


def power_of(flow: Dependence, unit: Unit) -> float | None:
    """To which power something is raised, maybe times a constant; None where that is not known."""
    node = flow.nodes[unit.core]
    if unit.kind is not Kind.POW or node.primitive == "squared_difference":
        return None
    if node.primitive == "pow":
        power = flow.number(node.operands[1])
        return None if power is None else float(power)
    return 2.0 if node.primitive in ("square", "mul") else -1.0
