"""Regions: operations between one value and one result that nothing else looks into."""

from collections.abc import Collection, Container, Iterator
from dataclasses import dataclass

from backlight_tensorflow.flattening import Node, Value
from backlight_tensorflow.paths import Path

MOST = 48
"""How many operations a region may have."""


@dataclass(frozen=True, eq=False)
class Region:
    """Operations in the order of computation, from one value to the last one's first result."""

    nodes: list[Node]
    entry: Value

    @property
    def types(self) -> list[str]:
        return [node.op.type for node in self.nodes]


def regions(
    path: Path, last: Node, allowed: Collection[str], claimed: Container[Node], beyond: int
) -> Iterator[Region]:
    """The regions that end in an operation, smaller ones first.

    Args:
        allowed: the types of the other operations.
        claimed: operations that belong to something else.
        beyond: for how many steps to go on where one value leads to all of it.
    """
    nodes = {last}
    frontier = {value for value in last.inputs if value in path.touched}
    while frontier and len(nodes) <= MOST:
        if len(frontier) == 1:
            (entry,) = frontier
            if (
                entry in path.active
                and entry.tensor.dtype.is_floating
                and closed(path, nodes, last)
            ):
                yield Region(sorted(nodes, key=path.position.__getitem__), entry)
            if beyond <= 0:
                return
            beyond -= 1
        latest = max(frontier, key=lambda value: position(path, value))
        node = latest.node
        if (
            node is None
            or latest in path.places
            or node not in path.position
            or node.op.type not in allowed
            or node in claimed
            or node in path.walls
        ):
            return
        nodes.add(node)
        frontier -= set(node.outputs)
        frontier |= {value for value in node.inputs if value in path.touched}


def closed(path: Path, nodes: set[Node], last: Node) -> bool:
    """Whether nothing outside uses what the operations before the last give."""
    return not any(
        path.is_sink(value) or not nodes.issuperset(path.users.get(value, ()))
        for node in nodes - {last}
        for value in node.outputs
    )


def position(path: Path, value: Value) -> int:
    return -1 if value.node is None else path.position.get(value.node, -1)
