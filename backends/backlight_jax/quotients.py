"""Products that are quotients: a factor comes from one over something."""

from collections.abc import Mapping

from backlight.operations import Kind
from backlight_jax.flow import Flow
from backlight_jax.primitives import moves
from backlight_jax.program import Node
from backlight_jax.units import Unit


def reciprocal_of(flow: Flow, unit: Unit, taken: Mapping[int, Unit]) -> int | None:
    """Which factor of a product comes from one over something, the first if both do."""
    if unit.kind is not Kind.MUL:
        return None
    factors = enumerate(unit.inputs)
    return next((place for place, one in factors if from_reciprocal(flow, one, taken)), None)


def from_reciprocal(flow: Flow, value: int, taken: Mapping[int, Unit]) -> bool:
    """Whether nothing but moves and scales by constants is between it and one over something."""
    while value in flow.producers and value not in flow.circuit.sources:
        position = flow.producers[value]
        node, unit = flow.nodes[position], taken.get(position)
        unit = unit.parts[-1] if unit is not None and unit.parts else unit
        if unit is not None and unit.kind is not Kind.SCALE:
            return value == unit.output and is_reciprocal(flow, unit)
        active = flow.activity(node)
        if len(active) != 1 or (unit is None and not moves(flow, node, active)):
            return False
        before = node.inputs[active[0]]
        assert isinstance(before, int)
        value = before
    return False


def is_reciprocal(flow: Flow, unit: Unit) -> bool:
    if unit.kind is not Kind.POW:
        return unit.kind is Kind.RSQRT
    node: Node = unit.nodes[-1]
    if node.primitive == "integer_pow":
        return bool(node.params["y"] < 0)
    if node.primitive == "pow":
        power = flow.number(node.inputs[1])
        return power is not None and bool(power < 0)
    return node.primitive == "div"
