"""Powers, and products that are quotients: a factor comes from one over something."""

from collections.abc import Collection, Mapping

from backlight.graph.dependence.dependence import Dependence
from backlight.graph.evaluation import Region
from backlight.graph.graph import Node
from backlight.graph.recognition.regions import closed_regions
from backlight.graph.unit import Unit
from backlight.rules.operations import Kind

BOUNDS = frozenset({"minimum", "maximum", "clamp"})


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
    if unit.kind is Kind.ELEMENTWISE:
        nodes = [flow.nodes[at] for at in unit.positions if flow.activity(flow.nodes[at])]
        return len(nodes) > 1 and all(is_over(flow, node) or is_around(node) for node in nodes)
    if unit.kind is Kind.POW:
        return is_over(flow, flow.nodes[unit.core])
    return unit.kind is Kind.RSQRT


def is_over(flow: Dependence, node: Node) -> bool:
    """Whether it gives one over something."""
    if node.primitive == "pow":
        power = flow.number(node.operands[1])
        return power is not None and bool(power < 0)
    below = len(node.operands) - 1
    return node.primitive in ("div", "reciprocal", "rsqrt") and flow.activity(node) == [below]


def is_around(node: Node) -> bool:
    """Whether it may stand between one over something and its bound."""
    return node.primitive in BOUNDS or node.primitive in ("mul", "identity", "convert")


def bounded(flow: Dependence, position: int, taken: Collection[int]) -> Region | None:
    """One over something together with the bound that keeps it finite where that is 0, be it in fewer
    digits."""
    if flow.nodes[position].primitive not in BOUNDS:
        return None
    for region in closed_regions(flow, position, taken, narrower=True):
        if not region.is_pointwise or region.stops:
            return None
        inner = [node for node in region.nodes if flow.activity(node)]
        if any(is_over(flow, node) for node in inner):
            return region
        if not all(map(is_around, inner)):
            return None
    return None


def power_of(flow: Dependence, unit: Unit) -> float | None:
    """To which power something is raised, maybe times a constant; None where that is not known."""
    node = flow.nodes[unit.core]
    if unit.kind is not Kind.POW or node.primitive == "squared_difference":
        return None
    if node.primitive == "pow":
        power = flow.number(node.operands[1])
        return None if power is None else float(power)
    return 2.0 if node.primitive in ("square", "mul") else -1.0
