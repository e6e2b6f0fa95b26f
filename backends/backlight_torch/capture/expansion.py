"""Compound operations of a recorded run in the place of which stands what they consist of."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias, cast, final

import torch

from backlight.graph.graph import Graph, Node
from backlight_torch.capture.records import Expanded, Parts, Record, record_of

if TYPE_CHECKING:
    from backlight_torch.capture.values import Values


@final
@dataclass(frozen=True, eq=False)
class Expansion:
    """An operation that was expanded.

    Attributes:
        record: the operation.
        first, last: the positions in the graph of what it consists of, the last one excluded.
    """

    record: Record
    first: int
    last: int


Run: TypeAlias = Callable[[Node, Record, Parts], list[int | None]]
"""Run an operation as what it consists of: gives the values of its results."""


@final
class Expander:
    """Puts what compound operations consist of in their place: what was found in the run before, or
    what is recorded of running them once more.

    Args:
        graph: that they are in.
        values: of the run.
        run: runs an operation in others.
    """

    def __init__(self, graph: Graph, values: "Values", run: Run) -> None:
        self._graph = graph
        self._values = values
        self._tensors = values.tensors
        self._run = run
        self._made: list[tuple[Node, bool]] = []
        """The operations on constants alone, and whether the numbers of what they give count."""
        self._repeatable = True

    def expansions(self) -> list[Expansion]:
        graph = self._graph
        nodes, graph.nodes = graph.nodes, []
        found: list[Expansion] = []
        for node in nodes:
            first, record = len(graph.nodes), node.native
            if not isinstance(record, Record) or record.parts is None:
                graph.nodes.append(node)
            elif self._again(node, record.expanded) or self._anew(node, record):
                found.append(Expansion(record, first, len(graph.nodes)))
        return found

    def note(
        self,
        func: Any,
        arguments: Mapping[str, Any],
        given: Sequence[torch.Tensor],
        results: Sequence[torch.Tensor],
        counts: bool,
        whole: bool,
    ) -> None:
        """Told of an operation on constants alone: it is run again before what it is for.

        Args:
            func, arguments, given: what ran, and the arrays among the arguments.
            results: of it.
            counts: whether their numbers hang on those of what it was given.
            whole: whether it hangs on constants alone, and does nothing but give results.
        """
        self._repeatable &= whole
        if whole:
            located = [(self._values.constant(one), None) for one in given]
            record = record_of(func, arguments, given, located)
            made = tuple(map(self._values.constant, results))
            operands = tuple(one.value for one in record.operands)
            self._made.append((Node("other", operands, made, native=record), counts))

    def _again(self, node: Node, expanded: Expanded | None) -> bool:
        """Whether an operation consists of what it did in the run before."""
        graph, first = self._graph, len(self._graph.values)
        if expanded is None or expanded.first != first or expanded.nodes[-1].place != node.place:
            return False
        for one, counts in expanded.constants:
            results = cast(Record, one.native).run(self._tensors)
            for value, array in zip(one.results, results, strict=True):
                if counts and not self._values.alike(array, expanded.values[value - first]):
                    return False
                self._tensors[value] = array
        graph.values.extend(expanded.values)
        graph.nodes.extend(expanded.nodes)
        return True

    def _anew(self, node: Node, record: Record) -> bool:
        graph, first, value = self._graph, len(self._graph.nodes), len(self._graph.values)
        self._made, self._repeatable = [], True
        if not self._append(node):
            return False
        made = {one for node, _ in self._made for one in node.results}
        nodes = graph.nodes[first:]
        read = {
            one for node in [*nodes, *(node for node, _ in self._made)] for one in node.operands
        }
        given = {one for one in read - made if one >= value and one in self._tensors}
        given -= {one for node in nodes for one in node.results}
        record.expanded = None
        if self._repeatable and not given:
            record.expanded = Expanded(value, graph.values[value:], nodes, self._made)
        return True

    def _append(self, node: Node) -> bool:
        """Append an operation, or what it consists of; whether it was expanded."""
        outer, record = self._graph.nodes, node.native
        if not isinstance(record, Record) or record.parts is None:
            outer.append(node)
            return False
        self._graph.nodes = []
        try:
            ends = self._run(node, record, record.parts)
        except NotImplementedError:
            outer.append(node)
            return False
        finally:
            inner, self._graph.nodes = self._graph.nodes, outer
        for one in inner:
            self._append(one)
        for end, value in zip(ends, node.results, strict=False):
            if end is not None:
                self._graph.node("identity", [end], [value], place=node.place)
        return True
