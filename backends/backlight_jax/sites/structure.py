"""What a program shows about the net: what depends on the examples, poolings, channels."""

from collections.abc import Collection
from functools import cached_property
from typing import final

from backlight.arrays import Channels
from backlight_jax.capture.program import Node, Program

LAYOUT = {
    "broadcast_in_dim", "convert_element_type", "copy", "copy_p", "expand_dims", "name",
    "optimization_barrier", "reduce_precision", "reshape", "squeeze", "stop_gradient", "transpose",
}  # fmt: skip
"""Equations that only move or repeat numbers."""


@final
class Structure:
    """A program with its data flow.

    Attributes:
        program: the program, every call that can be opened opened.
        active: the values that depend on the examples.
    """

    def __init__(self, program: Program, rows: Collection[int]) -> None:
        self.program = program
        self.producers: dict[int, tuple[Node, int]] = {}
        self.active = set(rows)
        for node in program.nodes:
            self.producers.update(
                {value: (node, index) for index, value in enumerate(node.outputs)}
            )
            if self.active.intersection(node.values):
                self.active.update(node.outputs)

    @cached_property
    def active_nodes(self) -> list[Node]:
        return [node for node in self.program.nodes if self.active.intersection(node.outputs)]

    @cached_property
    def channels(self) -> Channels | None:
        """Where the first convolution has the channels; None if there is none."""
        if self._convolution is None:
            return None
        return "first" if self._convolution[1] == 1 else "last"

    @property
    def signals(self) -> bool:
        """Whether the first convolution is along one axis."""
        return self._convolution is not None and len(self._convolution) == 3

    @cached_property
    def _convolution(self) -> tuple[int, ...] | None:
        """Where the operand of the first convolution has examples, channels and places."""
        for node in self.active_nodes:
            if node.primitive == "conv_general_dilated":
                operand, specification = node.inputs[0], node.params["dimension_numbers"].lhs_spec
                if isinstance(operand, int) and operand in self.active:
                    return tuple(specification)
        return None

    @cached_property
    def pooled(self) -> set[int]:
        """The values that a pooling gave, seen through operations that keep it what it is."""
        found: set[int] = set()
        for node in self.active_nodes:
            pools = node.primitive.startswith("reduce_window") or self._pools_by_hand(node)
            if pools or (self._keeps(node) and found.intersection(node.values)):
                found.update(node.outputs)
        return found

    def _keeps(self, node: Node) -> bool:
        if node.primitive in ("div", "mul"):
            return len(self.active.intersection(node.values)) == 1
        if node.primitive in ("reshape", "broadcast_in_dim"):
            before, after = ([d for d in self.shape(v) if d != 1] for v in ends(node))
            return before == after
        return node.primitive in LAYOUT

    def _pools_by_hand(self, node: Node) -> bool:
        """Whether it reduces the new axes of a reshape: (N, 4, 4) to (N, 2, 2, 2, 2) to (N, 2, 2)."""
        if node.primitive not in ("reduce_max", "reduce_sum") or not node.values:
            return False
        producer = self.producers.get(node.values[0])
        if producer is None or producer[0].primitive != "reshape":
            return False
        before, after = (self.shape(value) for value in (ends(producer[0])[0], node.outputs[0]))
        return len(before) == len(after) > 2 and before != after

    def shape(self, value: int) -> tuple[int, ...]:
        return tuple(self.program.avals[value].shape)


def ends(node: Node) -> tuple[int, int]:
    return node.values[0], node.outputs[0]
