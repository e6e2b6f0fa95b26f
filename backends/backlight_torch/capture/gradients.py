"""Autograd's nodes: whether derivatives lead back from an array, and the node of each operation."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import torch
from torch.utils._mode_utils import no_dispatch

from backlight.graph.graph import Graph
from backlight_torch.capture.records import Edge, Node, Operand, Record, View, dtype_of

MADE_BY_AUTOGRAD = (
    "CloneBackward0 AliasBackward0 AsStridedBackward0 ViewBackward0 TransposeBackward0 TBackward0 "
    "PermuteBackward0 ExpandBackward0 SliceBackward0 SelectBackward0 SqueezeBackward0 "
    "SqueezeBackward1 SqueezeBackward2 UnsqueezeBackward0 SplitBackward0 SplitWithSizesBackward0 "
    "UnbindBackward0 UnfoldBackward0 DiagonalBackward0 ReshapeAliasBackward0 UnsafeViewBackward0 "
    "CopyBackwards CopySlices AccumulateGrad ToCopyBackward0 ConjBackward0 ViewAsRealBackward0 "
    "ViewAsComplexBackward0 NegViewBackward0"
)
"""Nodes that only move numbers, which autograd may make by itself for views that were written into."""


@final
@dataclass(eq=False, slots=True)
class Pending:
    """An operation whose node autograd has not made yet: before, its result had another."""

    record: Record
    result: torch.Tensor
    before: Node
    tries: int = 0


@final
class Gradients:
    """Follows autograd's graph back to where derivatives are taken.

    Args:
        graph: that functions are put into which no operation was seen for.
        place: where in the net what runs now is.

    Attributes:
        flowing: values that derivatives lead back from, unless autograd says otherwise.
    """

    def __init__(self, graph: Graph, place: Callable[[], str]) -> None:
        self.flowing: set[int] = set()
        self._graph = graph
        self._place = place
        self._leaves: dict[int, tuple[torch.Tensor, Node]] = {}
        """By id: what derivatives lead back to, with its node, which cannot be asked for meanwhile."""
        self._active: dict[Node, bool] = {}
        self._pending: list[Pending] = []
        self._own: dict[Node, Record] = {}
        """The operations that were seen, by their nodes."""
        self._functions: set[Node] = set()
        """Those that no operation was seen for."""
        self._values: dict[Edge, int] = {}

    def begin(self, leaf: torch.Tensor) -> None:
        """Derivatives are taken by this."""
        # Its node is asked for by an operation on it, whatever mode the net is in there.
        with no_dispatch(), torch.inference_mode(False), torch.enable_grad():
            node = torch.autograd.graph.get_gradient_edge(leaf).node
        self._active[node] = True
        self._leaves[id(leaf)] = leaf, node

    def is_active(self, node: Node) -> bool:
        """Whether derivatives lead from a node to where they are taken."""
        if node is None:
            return False
        if (known := self._active.get(node)) is not None:
            return known
        waiting = [node]
        while waiting:
            top = waiting[-1]
            below = [child for child, _ in top.next_functions if child is not None]
            if any(map(self._active.get, below)):
                self._active[top] = True
            elif unknown := [child for child in below if child not in self._active]:
                waiting += unknown
                continue
            else:
                self._active[top] = False
            waiting.pop()
        return self._active[node]

    def edge(self, array: torch.Tensor) -> Edge | None:
        """Where derivatives lead back from an array, if they do."""
        node = array.grad_fn
        if node is None:
            if id(array) not in self._leaves:
                return None
            _, node = self._leaves[id(array)]
        return (node, int(array.output_nr)) if self.is_active(node) else None

    def settled(self, edge: Edge, value: int) -> int:
        """Which value an array is that derivatives lead back from like this, and that operations have
        made this value: where the two say different things, derivatives count."""
        node, _ = edge
        if is_function(node) and node not in self._functions and node not in self._own:
            self._function(node)
        if node in self._functions:
            return self._values[edge]
        self._values.setdefault(edge, value)
        return value

    def knows(self, edge: Edge) -> bool:
        """Whether a result of a node has been read."""
        return edge in self._values

    def result(self, edge: Edge) -> int:
        """Which value a result of a node is."""
        if edge not in self._values:
            node, number = edge
            record = self._own.get(node)
            if record is None or record.view is not None:
                self._function(node)
            else:  # nothing but its detached result was read, by a function that leaves PyTorch
                self._values[edge] = record.results[0] + number
        return self._values[edge]

    def _function(self, node: Node) -> None:
        """A function with a backward of its own, or another node that no operation was seen for."""
        edges = tuple(edge for edge in node.next_functions if self.is_active(edge[0]))
        given = [self.result(edge) for edge in edges]
        operands = [Operand(one, self._graph.shape(one), torch.float32, True) for one in given]
        results = [
            self._graph.value(
                tuple(map(int, held.shape)), dtype_of(held.dtype), bits=8 * held.dtype.itemsize
            )
            for held in node._input_metadata
        ]
        self._values.update(((node, number), value) for number, value in enumerate(results))
        name = node.name()
        self._graph.node(
            "gather" if name.rpartition("::")[2] in MADE_BY_AUTOGRAD.split() else "other",
            given,
            results,
            type=f"autograd.{name}",
            place=self._place(),
            native=Record(None, name, {}, tuple(operands), edges, tuple(results), node=node),
            replayable=False,
        )
        self._functions.add(node)
        self.flowing.update(results)

    def expect(self, record: Record, result: torch.Tensor, before: Node) -> None:
        """Autograd is going to make the node of this operation; before, its result had another."""
        self._pending.append(Pending(record, result, before))

    def resolve(self) -> None:
        """Look for the nodes of the operations before: they are made when the mode has returned."""
        if self._pending:
            self._pending = [one for one in self._pending if not self._found(one)]

    def _found(self, pending: Pending) -> bool:
        """Whether there is no need to look again."""
        record, result, node = pending.record, pending.result, pending.result.grad_fn
        if node is None or node is pending.before:
            pending.tries += 1
            return pending.tries == 4  # a result without gradients never gets one
        base = result._base
        if base is not None and record.func._schema.is_mutable:
            whole: Node = base.grad_fn
            if whole is not None and whole.name().endswith("CopySlices"):
                node = whole
                record.view = View.of(result, base)
        record.node = node
        self._own[node] = record
        return True


def is_function(node: Node) -> bool:
    """Whether it has a backward of its own: in Python, or in C++ as operations on quantised weights."""
    if isinstance(node, torch.autograd.function.BackwardCFunction):
        return True
    return type(node).__name__ == "CppFunction" and node.name() != "CopySlices"
