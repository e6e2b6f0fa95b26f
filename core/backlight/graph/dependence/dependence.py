"""What depends on what in a graph: users, activity, dominators, and numbers that fold."""

from collections.abc import Collection, Iterable, Mapping
from copy import copy
from typing import TypeAlias, final

import numpy as np

from backlight.graph.graph import Graph, Node, Numbers
from backlight.graph.primitives import PRIMITIVES, Family, evaluated

KEEPING = frozenset(
    {"identity", "stop_gradient", "reshape", "transpose", "broadcast", "index", "slice"}
)
"""Moves of one operand, whose result is one number throughout where that is."""


Above: TypeAlias = Mapping[int, int | None]


@final
class Dependence:
    """The data flow from a graph's sources to its targets.

    A value is *touched* if it depends on a source in any way, also by comparisons, indices and stopped
    gradients. It is *active* if a derivative can pass between a source and it, and it and a target.
    Where the two part a gradient is cut.

    Attributes:
        graph: the graph.
        producers: the position of the node that gives each value.
        touched, active: see above.
        reached: the values that a derivative can pass to from a source.
        moving: the same where no gradient was stopped: what is touched and not among them is chosen by
            the sources, by tests and places, and changes in jumps.
        rows: the values that differ from example to example, the touched ones included.
        made: the values that are made of numbers in the code, without any array.
        needed: the positions of the nodes that the targets depend on.
        users: the positions of the needed nodes that read each value, each once.
        kept: values that are looked at from outside, the targets included.
        dominators: for each touched value, the nearest other value that all ways from the sources to it
            go through; None where there is none.
    """

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.nodes = graph.nodes
        self.values = graph.values
        self.sources = frozenset(graph.sources)
        self.producers: dict[int, int] = {}
        self.touched = set(graph.sources)
        self.active = {v for v in graph.sources if self.values[v].dtype.differentiable}
        self.moving = set(self.active)
        self.rows = {*graph.rows, *graph.sources}
        self.made: set[int] = set()
        self._numbers: dict[int, Numbers] = {}
        for position, node in enumerate(self.nodes):
            for value in node.results:
                self.producers[value] = position
        for node in self.nodes:
            if self.sources.isdisjoint(node.results):
                self._follow(node)
        self.needed = set(graph.needed(graph.targets))
        self.reached = frozenset(self.active)
        self.active &= self._leading()
        self.users: dict[int, list[int]] = {}
        for position in sorted(self.needed):
            for value in dict.fromkeys(self.nodes[position].operands):
                self.users.setdefault(value, []).append(position)
        self.kept = {*graph.kept, *graph.targets}
        self.dominators: dict[int, int | None] = {}
        self._depths: dict[int, int] = {}
        self._dominate()

    def of(self, graph: Graph) -> "Dependence":
        """The same for an equal graph."""
        other = copy(self)
        other.graph, other.nodes, other.values = graph, graph.nodes, graph.values
        return other

    def shape(self, value: int) -> tuple[int, ...]:
        return self.values[value].shape

    def producer(self, value: int) -> Node | None:
        """The node that gives a value; None for what nothing computes."""
        position = self.producers.get(value)
        return None if position is None else self.nodes[position]

    def number(self, value: int) -> Numbers | None:
        """The number that a value is throughout, without axes."""
        if value in self._numbers:
            return self._numbers[value]
        number = self.values[value].number
        return None if number is None else np.asarray(number)

    def activity(self, node: Node) -> list[int]:
        """Which operands gradients flow to, by their places."""
        return [place for place, value in enumerate(node.operands) if value in self.active]

    def otherwise(self, node: Node) -> list[int]:
        """Which operands depend on the sources without any derivative, by their places."""
        return [
            place
            for place, value in enumerate(node.operands)
            if value in self.touched and value not in self.active
        ]

    def is_touched(self, node: Node) -> bool:
        return not self.touched.isdisjoint(node.operands)

    def is_chosen(self, value: int) -> bool:
        """Whether a value changes in jumps alone, where the sources choose another one."""
        return value in self.touched and value not in self.moving

    def is_constant(self, value: int) -> bool:
        """Whether a value is the same for all examples, whatever is explained."""
        return value not in self.touched and value not in self.rows

    def sole_user(self, value: int) -> int | None:
        """The position of the only node that reads a value, if nothing else looks at it."""
        users = self.users.get(value, [])
        return users[0] if len(users) == 1 and value not in self.kept else None

    def region(
        self, entry: int, sink: int, most: int, stops: Collection[int] = ()
    ) -> list[int] | None:
        """The positions of the nodes between two values, if those lead nowhere else and nothing else
        that is touched leads in, but for `stops`, which are taken as they are; None for more than
        `most` of them too."""
        found: set[int] = set()
        pending = [sink]
        while pending:
            value = pending.pop()
            if value == entry or value in stops or value not in self.touched:
                continue
            position = self.producers.get(value)
            if position is None or value in self.sources:
                return None
            if position not in found:
                if len(found) == most:
                    return None
                found.add(position)
                pending.extend(self.nodes[position].operands)
        return sorted(found)

    def leaks(self, region: Collection[int], sink: int) -> list[int]:
        """The values inside a region that something outside reads."""
        inside = set(region)
        return [
            value
            for position in region
            for value in self.nodes[position].results
            if value != sink
            and (value in self.kept or not inside.issuperset(self.users.get(value, ())))
        ]

    def common(self, operands: Iterable[int]) -> int | None:
        """The nearest value through which everything touched among the operands goes."""
        meeting: int | None = None
        for value in operands:
            if value in self.touched:
                meeting = (
                    value
                    if meeting is None
                    else common(meeting, value, self.dominators, self._depths)
                )
                if meeting is None:
                    return None
        return meeting

    def _follow(self, node: Node) -> None:
        if self.is_touched(node):
            self.touched.update(node.hanging_on(self.touched))
        if node.primitive != "stop_gradient" and not self.active.isdisjoint(node.operands):
            self.active.update(v for v in node.results if self.values[v].dtype.differentiable)
        if not self.moving.isdisjoint(node.operands):
            self.moving.update(v for v in node.results if self.values[v].dtype.differentiable)
        if not self.rows.isdisjoint(node.operands):
            self.rows.update(node.results)
        if all(self._is_made(value) for value in node.operands):
            self.made.update(node.results)
        self._fold(node)

    def _is_made(self, value: int) -> bool:
        if value in self.made:
            return True
        held = self.values[value]
        given = value in self.producers or value in self.rows or held.learned
        return not given and held.number is not None and held.shape == ()

    def _fold(self, node: Node) -> None:
        """Note the number that a node of numbers gives."""
        known = [number for v in node.operands if (number := self.number(v)) is not None]
        if not known or len(known) < len(node.operands) or len(node.results) != 1:
            return
        primitive = PRIMITIVES[node.primitive]
        if node.primitive in KEEPING:
            self._numbers[node.result] = known[0]
        elif primitive.family in (Family.POINTWISE, Family.TEST) or node.primitive == "convert":
            with np.errstate(all="ignore"):
                found = evaluated(node, known)
            if found is not None and found[0].shape == ():
                self._numbers[node.result] = found[0]

    def _leading(self) -> set[int]:
        """The values from which derivatives reach a target."""
        leading = set(self.graph.targets)
        for position in sorted(self.needed, reverse=True):
            node = self.nodes[position]
            arrives = any(v in leading and v in self.active for v in node.results)
            if arrives and node.primitive != "stop_gradient":
                leading.update(node.operands)
        return leading

    def _dominate(self) -> None:
        for source in self.sources:
            self.dominators[source], self._depths[source] = None, 0
        for position in sorted(self.needed):
            node = self.nodes[position]
            if not self.is_touched(node):
                continue
            above = self.common(node.operands)
            for value in node.results:
                if value not in self._depths:
                    self.dominators[value] = above
                    self._depths[value] = 0 if above is None else self._depths[above] + 1


def common(
    one: int | None, other: int | None, above: Above, depths: Mapping[int, int]
) -> int | None:
    """The nearest value that is above both of two, or one of them; None where there is none.

    Args:
        above: for each value the nearest above it.
        depths: how many values are above each.
    """
    while one != other:
        if one is None or other is None:
            return None
        if depths[one] >= depths[other]:
            one = above[one]
        else:
            other = above[other]
    return one
