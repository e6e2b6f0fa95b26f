"""Products that are quotients: a factor comes from one over something."""

from typing import Any

import torch

from backlight.operations import Kind
from backlight_torch.circuit import Circuit
from backlight_torch.records import Node, Operand, Record


def reciprocal_of(circuit: Circuit, record: Record) -> int | None:
    """Which active factor of a product comes from one over something, the first if both do."""
    if record.found.kind is not Kind.MUL:
        return None
    factors = enumerate(record.active)
    return next((place for place, one in factors if _from_reciprocal(circuit, one)), None)


def _from_reciprocal(circuit: Circuit, factor: Operand) -> bool:
    """Whether nothing but moves and scales by constants is between it and one over something."""
    node: Node = None if factor.edge is None else factor.edge[0]
    while node in circuit.users and node not in circuit.starts:
        record = circuit.by_node.get(node)
        if record is not None and record.found.kind is not Kind.SCALE:
            return _is_reciprocal(record)
        before = {child for child, _ in node.next_functions if child in circuit.users}
        if len(before) != 1:  # joined with other active numbers, or written into them
            return False
        (node,) = before
    return False


def _is_reciprocal(record: Record) -> bool:
    if record.found.kind is not Kind.POW:
        return record.found.kind is Kind.RSQRT
    return record.name != "pow" or _is_negative(record.args[1])


def _is_negative(power: Any) -> bool:
    number = power.tensor if isinstance(power, Operand) else power
    return number is not None and bool((torch.as_tensor(number) < 0).all())
