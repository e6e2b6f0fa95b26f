"""Operations that undo each other: a score takes the logarithm of the softmax that a net ends in."""

from collections.abc import Sequence

from backlight.graph.dependence.dependence import Dependence
from backlight.graph.primitives import Family, family
from backlight.graph.unit import Unit
from backlight.rules.operations import Kind

INVERSES = {Kind.SOFTMAX: Kind.LOG, Kind.LOG_SOFTMAX: Kind.EXP, Kind.SIGMOID: Kind.LOG}
"""What undoes a kind, but for what softmaxes forget."""

BETWEEN = frozenset({Kind.SHIFT, Kind.SCALE})
"""What may be between the two: 1 - p, a number near 0 that keeps a logarithm finite."""

BOTH_SIDES = 2
"""Logarithms behind a sigmoid that together undo it: log p - log (1 - p)."""


def undone(flow: Dependence, steps: Sequence[Unit | int]) -> frozenset[int]:
    """The results of operations that undo each other, of recognised ones.

    A softmax is undone by each logarithm of it, a sigmoid by those of p and of 1 - p where nothing else
    reads it.
    """
    units = {
        position: step for step in steps if isinstance(step, Unit) for position in step.positions
    }
    found: set[int] = set()
    for unit in dict.fromkeys(units.values()):
        inverse = INVERSES.get(unit.kind)
        if inverse is None:
            continue
        ends = readers(flow, units, unit.output)
        inverses = [end for end in ends if isinstance(end, Unit) and end.kind is inverse]
        if unit.kind is Kind.SIGMOID and (
            len(inverses) < BOTH_SIDES
            or len(inverses) < len(ends)
            or unit.output in flow.graph.targets
        ):
            continue
        if inverses:
            found.update(unit.output for unit in (unit, *inverses))
    return frozenset(found)


def readers(flow: Dependence, units: dict[int, Unit], value: int) -> list[Unit | int]:
    """What reads a value behind moves, shifts and scales by constants: units, or positions of nodes that
    are none."""
    found: dict[Unit | int, None] = {}
    pending = [value]
    while pending:
        for position in flow.users.get(pending.pop(), ()):
            unit = units.get(position)
            node = flow.nodes[position]
            if unit is not None and unit.kind in BETWEEN:
                pending += unit.outputs
            elif unit is None and family(node) is Family.MOVE:
                pending += node.results
            else:
                found[position if unit is None else unit] = None
    return list(found)
