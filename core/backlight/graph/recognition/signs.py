"""Values that are at least 0 whatever is explained: those behind rectifiers, and what is made of them."""

from collections.abc import Sequence

from backlight.graph.dependence.dependence import Dependence
from backlight.graph.graph import Node
from backlight.graph.primitives import Family, family
from backlight.graph.unit import Unit
from backlight.rules.operations import Kind

RECTIFIED = frozenset(
    {
        Kind.RELU,
        Kind.RELU6,
        Kind.HARD_SIGMOID,
        Kind.SIGMOID,
        Kind.SOFTMAX,
        Kind.SOFTPLUS,
        Kind.EXP,
        Kind.ABS,
    }
)
"""Kinds whose results are at least 0."""

KEEPING = frozenset({Kind.MAX_POOL, Kind.MAX, Kind.MIN})
"""Kinds whose results are some of their operands."""

AVERAGES = frozenset({"sum", "mean", "avg_pool", "adaptive_avg_pool", "cumsum"})


def not_negative(flow: Dependence, steps: Sequence[Unit | int]) -> frozenset[int]:
    """The values that are known to be at least 0, of recognised operations in order."""
    known: set[int] = set()
    for step in steps:
        if isinstance(step, Unit):
            if is_rectified(flow, step, known):
                known.add(step.output)
        elif is_moved(flow, flow.nodes[step], known):
            known.update(flow.nodes[step].results)
    return frozenset(known)


def is_rectified(flow: Dependence, unit: Unit, known: set[int]) -> bool:
    kind = unit.parts[-1].kind if unit.parts else unit.kind
    if kind in RECTIFIED:
        return True
    node = flow.nodes[unit.core]
    averages = kind is Kind.SUM and node.primitive in AVERAGES
    sums = kind in (Kind.ADD, Kind.SHIFT) and node.primitive == "add"
    products = kind in (Kind.MUL, Kind.SCALE) and node.primitive == "mul"
    stays = kind in KEEPING or averages or sums or products
    return stays and constants_too(flow, node, known)


def is_moved(flow: Dependence, node: Node, known: set[int]) -> bool:
    moves = family(node) is Family.MOVE or node.primitive == "select"
    return moves and not known.isdisjoint(node.operands) and constants_too(flow, node, known)


def constants_too(flow: Dependence, node: Node, known: set[int]) -> bool:
    """Whether each operand is at least 0; what says where numbers go does not count."""

    def at_least_0(value: int) -> bool:
        number = flow.number(value)
        counts = flow.values[value].dtype.differentiable
        return value in known or not counts or (number is not None and bool(number >= 0))

    return all(map(at_least_0, node.operands))
