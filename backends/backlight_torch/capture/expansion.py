"""Compound operations of a recorded run in the place of which stands what they consist of."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias, final

import torch

from backlight.graph.graph import Graph, Node
from backlight_torch.capture.records import Parts, Record


@final
@dataclass(eq=False)
class Expansion:
    """An operation that was run once more as the arithmetic it consists of.

    Attributes:
        record: the operation.
        starts: its active operands, as the start of a graph of their own.
        results: of the arithmetic.
        first, last: the positions of its nodes in the graph, the last one excluded.
    """

    record: Record
    starts: list[torch.Tensor]
    results: list[torch.Tensor | None]
    first: int
    last: int


Run: TypeAlias = Callable[
    [Node, Record, Parts],
    tuple[list[torch.Tensor], list[torch.Tensor | None], list[int | None]],
]
"""Run an operation as what it consists of: gives starts, results and their values."""


def expanded(graph: Graph, run: Run) -> list[Expansion]:
    """Put what they consist of in the place of compound nodes."""
    nodes, graph.nodes = graph.nodes, []
    found: list[Expansion] = []

    def append(node: Node) -> None:
        outer, first = graph.nodes, len(graph.nodes)
        record = node.native
        if not isinstance(record, Record) or record.parts is None:
            outer.append(node)
            return
        graph.nodes = []
        try:
            starts, results, ends = run(node, record, record.parts)
        except NotImplementedError:
            outer.append(node)
            return
        finally:
            inner, graph.nodes = graph.nodes, outer
        for one in inner:
            append(one)
        for end, value in zip(ends, node.results, strict=False):
            if end is not None:
                graph.node("identity", [end], [value], place=node.place)
        found.append(Expansion(record, starts, results, first, len(outer)))

    for node in nodes:
        append(node)
    return found
