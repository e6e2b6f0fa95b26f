"""Products that are quotients: a factor comes from one over something."""

from collections.abc import Sequence

from backlight.operations import Kind
from backlight_tensorflow.flattening import Node, Value
from backlight_tensorflow.operators import PRODUCTS
from backlight_tensorflow.paths import Path
from backlight_tensorflow.units import Unit, constant_array


def reciprocals(path: Path, units: Sequence[Unit]) -> dict[Unit, int]:
    """Of each product that is a quotient: which factor comes from one over something."""
    parts = [part for unit in units for part in (unit.parts or (unit,))]
    owner = {node: part for part in parts for node in part.nodes}
    found = {}
    for unit in parts:
        # A product of a kind may also be the square of a difference, which has no factors.
        if unit.kind is Kind.MUL and unit.core.op.type in PRODUCTS:
            for place, factor in enumerate(unit.inputs):
                if comes_from_reciprocal(path, factor, owner):
                    found[unit] = place
                    break
    return found


def comes_from_reciprocal(path: Path, value: Value, owner: dict[Node, Unit]) -> bool:
    """Whether nothing but moves and scales by constants is between it and one over something."""
    while value.node is not None and value not in path.places:
        node = value.node
        unit = owner.get(node)
        if unit is not None and unit.kind is not Kind.SCALE:
            return value is unit.output and is_reciprocal(path, unit)
        if node.op.type == "IdentityN":
            value = node.inputs[node.outputs.index(value)]
            continue
        before = path.inputs(node)
        if len(before) != 1:
            return False
        (value,) = before
    return False


def is_reciprocal(path: Path, unit: Unit) -> bool:
    if unit.kind is Kind.RSQRT:
        return True
    if unit.kind is not Kind.POW:
        return False
    node = unit.core
    if node.op.type == "Pow":
        power = constant_array(path, node.inputs[1])
        return power is not None and bool((power < 0).all())
    return node.op.type not in {"Square", "SquaredDifference", *PRODUCTS}
