"""Which value of the graph an array is now, whatever was written into its memory."""

import weakref
from collections.abc import Callable, Collection
from typing import Any, final

import torch

from backlight.graph.graph import Graph
from backlight_torch.capture.constants import Constants, new_value
from backlight_torch.capture.gradients import Gradients, is_function
from backlight_torch.capture.kept import Kept
from backlight_torch.capture.records import Node, Operand, Record
from backlight_torch.memory import (
    Geometry,
    Known,
    Memory,
    address,
    apart,
    block_of,
    geometry,
    holding,
    same_numbers,
    start_of,
)
from backlight_torch.table.reading import dtype_of

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
class Values:
    """The values of arrays.

    Attributes:
        flowing: values that derivatives lead back from, unless autograd says otherwise.
        ungraded: values that were computed with gradients off.
        written_out: by id: a copy in place of a lazy conjugate or negative, which autograd never sees;
            of what.
        place: where in the net what runs now is.
    """

    def __init__(
        self,
        graph: Graph,
        gradients: Gradients,
        constants: Constants,
        kept: Kept,
        wanted: Collection[int],
        place: Callable[[], str],
    ) -> None:
        self.flowing: set[int] = set()
        self.ungraded: set[int] = set()
        self.written_out: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}
        self.place = place
        self._graph = graph
        self._gradients = gradients
        self._constants = constants
        self._kept = kept
        self._wanted = wanted
        self._known: dict[int, Known] = {}
        self._memories: dict[int, Memory] = {}
        self._by_edge: dict[tuple[Node, int], int] = {}
        self._functions: set[Node] = set()
        """Nodes of autograd's that no operation was seen for."""

    def new(self, like: torch.Tensor) -> int:
        return new_value(self._graph, like)

    def register(self, array: torch.Tensor, value: int, *, written: bool = False) -> None:
        """An array is this value from now on."""
        if value in self._wanted:
            self._kept.keep(value, array)
        place = address(array)
        memory = self._memories.get(place)
        if memory is None:
            whole = None if written else (value, geometry(array))
            memory = self._memories[place] = Memory(holding(array), whole)
        if written:
            memory.writes.append((value, geometry(array)))
        self._known[id(array)] = Known(weakref.ref(array), value, memory, len(memory.writes))

    def knows(self, array: torch.Tensor) -> bool:
        """Whether an array depends on what is recorded."""
        known = self._known.get(id(array))
        if known is not None and known.array() is array:
            return True
        if id(array) in self.written_out or address(array) in self._memories:
            return True
        return array.grad_fn is not None and self._gradients.is_active(array.grad_fn)

    def operand(self, array: torch.Tensor, detached: bool = False) -> Operand:
        """An array as an operation reads it."""
        shape, dtype = tuple(array.shape), array.dtype
        if not self.knows(array):
            return Operand(self._constants.value(array), shape, dtype)
        if array.grad_fn is None and id(array) in self.written_out:
            _, array = self.written_out[id(array)]
        value = self._current(array)
        if detached:  # autograd detaches views in the middle of what it does
            return Operand(value, shape, dtype)
        edge = self._gradients.edge(array)
        if edge is None:
            if value in self.flowing:
                value = self._stopped(value, array)
            return Operand(value, shape, dtype)
        node, _ = edge
        if is_function(node) and node not in self._functions and node not in self._gradients.own:
            self._function(node)
        if node in self._functions:
            value = self._by_edge[edge]
            self.register(array, value)
        self._by_edge.setdefault(edge, value)
        return Operand(value, shape, dtype, edge)

    def _current(self, array: torch.Tensor) -> int:
        known = self._known.get(id(array))
        if known is not None and known.array() is array:
            if known.seen == len(known.memory.writes):
                return known.value
            value = self._updated(known.value, array, known.missed)
        else:
            value = self._unseen(array)
        self.register(array, value)
        return value

    def _unseen(self, array: torch.Tensor) -> int:
        """An array that no operation made: in the memory of others, or a result of a function's."""
        edge = (array.grad_fn, int(array.output_nr))
        memory = self._memories.get(address(array))
        if edge in self._by_edge or memory is None:
            return self._function_result(*edge)
        if memory.whole is None:
            value = self.new(array)
        else:
            value, whole = memory.whole
            own = geometry(array)
            if own != whole and same_numbers(own, whole):
                value = self._reshaped(value, array)
            elif own != whole:
                value = self._derived("gather", [value], self.new(array), {})
        return self._updated(value, array, memory.writes)

    def _updated(self, value: int, array: torch.Tensor, writes: list[tuple[int, Geometry]]) -> int:
        own = geometry(array)
        for part, place in writes:
            if apart(place, own):
                continue
            if place == own:
                value = part
            elif same_numbers(place, own):
                value = self._reshaped(part, array)
            else:
                block, like = block_of(place, own), self._graph.values[part]
                if block[0] != place[0]:
                    wide = self._graph.value(block[0], like.dtype, bits=like.bits)
                    part = self._derived("reshape", [part], wide, {"shape": block[0]})
                starts = {"starts": start_of(block, own)}
                value = self._derived("update", [value, part], self.new(array), starts)
        return value

    def _reshaped(self, value: int, array: torch.Tensor) -> int:
        return self._derived("reshape", [value], self.new(array), {"shape": tuple(array.shape)})

    def _derived(
        self,
        primitive: str,
        operands: list[int],
        value: int,
        attributes: dict[str, Any],
        type: str = "",
    ) -> int:
        """The result of what autograd does by itself, or of what follows from shared memory."""
        if primitive != "stop_gradient" and self.flowing.intersection(operands):
            self.flowing.add(value)
        self._graph.node(
            primitive,
            operands,
            [value],
            attributes,
            type=type,
            place=self.place(),
            replayable=False,
        )
        return value

    def _stopped(self, value: int, array: torch.Tensor) -> int:
        """A value that derivatives do not lead back from, though they would from what made it."""
        word = "torch.no_grad" if value in self.ungraded else "detach"
        found = self._derived("stop_gradient", [value], self.new(array), {"word": word}, word)
        self.register(array, found)
        return found

    def _function(self, node: Node) -> None:
        """A function with a backward of its own, or another node that no operation was seen for."""
        operands = []
        for edge in node.next_functions:
            if self._gradients.is_active(edge[0]):
                value = self._function_result(*edge)
                operands.append(Operand(value, self._graph.shape(value), torch.float32, edge))
        results = [
            self._graph.value(tuple(map(int, held.shape)), dtype_of(held.dtype))
            for held in node._input_metadata
        ]
        self._by_edge.update(((node, number), value) for number, value in enumerate(results))
        name = node.name()
        moves = name.rpartition("::")[2] in MADE_BY_AUTOGRAD.split()
        self._graph.node(
            "gather" if moves else "other",
            [one.value for one in operands],
            results,
            type=f"autograd.{name}",
            place=self.place(),
            native=Record(None, name, {}, tuple(operands), tuple(results), node=node),
            replayable=False,
        )
        self._functions.add(node)
        self.flowing.update(results)

    def _function_result(self, node: Node, number: int) -> int:
        if (node, number) not in self._by_edge:
            self._function(node)
        return self._by_edge[node, number]
