"""What a program shows about the net: what depends on the examples, poolings, channels."""

from collections.abc import Collection, Mapping
from functools import cached_property
from typing import final

from backlight_jax.capture.program import Node, Path, Program
from backlight_jax.table import is_floating

LAYOUT = {
    "broadcast_in_dim", "convert_element_type", "copy", "copy_p", "expand_dims", "name",
    "optimization_barrier", "reduce_precision", "reshape", "squeeze", "stop_gradient", "transpose",
}  # fmt: skip
"""Equations that only move or repeat numbers."""


@final
class Structure:
    """A program with its data flow.

    Attributes:
        program: the program, with every call inlined that can be.
        weights: the names of the arguments and constants that are weights.
        producers: the equation that gives each value.
        active: the values that depend on the examples.
    """

    def __init__(self, program: Program, rows: Collection[int], weights: Mapping[int, str]) -> None:
        self.program, self.weights = program, weights
        self.producers = {value: node for node in program.nodes for value in node.outputs}
        self.active = set(rows)
        for node in program.nodes:
            if self.active.intersection(node.values):
                self.active.update(node.outputs)

    @cached_property
    def active_nodes(self) -> list[Node]:
        return [node for node in self.program.nodes if self.active.intersection(node.outputs)]

    @cached_property
    def weights_read(self) -> dict[Path, set[str]]:
        """The weights that each equation on the examples' way reads, by its path."""
        sources: dict[int, set[str]] = {value: {name} for value, name in self.weights.items()}
        read: dict[Path, set[str]] = {}
        for node in self.program.nodes:
            passive = (value for value in node.values if value not in self.active)
            names = set[str]().union(*(sources.get(value, ()) for value in passive))
            if self.active.intersection(node.outputs):
                read[node.path] = names
            elif names:
                sources.update(dict.fromkeys(node.outputs, names))
        return read

    @cached_property
    def last_reads(self) -> dict[int, float]:
        """The position of the last active equation that reads each value; infinite for outputs."""
        nodes = enumerate(self.active_nodes)
        last: dict[int, float] = {value: at for at, node in nodes for value in node.values}
        outputs = (output for output in self.program.outputs if isinstance(output, int))
        return last | dict.fromkeys(outputs, float("inf"))

    @cached_property
    def convolution(self) -> tuple[int, ...]:
        """Where the operand of the first convolution has examples, channels and places; empty if there
        is none."""
        for node in self.active_nodes:
            if node.primitive == "conv_general_dilated":
                operand, specification = node.inputs[0], node.params["dimension_numbers"].lhs_spec
                if isinstance(operand, int) and operand in self.active:
                    return tuple(specification)
        return ()

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
            ends = node.values[0], node.outputs[0]
            before, after = ([d for d in self.shape(value) if d != 1] for value in ends)
            return before == after
        return node.primitive in LAYOUT

    def _pools_by_hand(self, node: Node) -> bool:
        """Whether it reduces the new axes of a reshape: (N, 4, 4) to (N, 2, 2, 2, 2) to (N, 2, 2)."""
        if node.primitive not in ("reduce_max", "reduce_sum") or not node.values:
            return False
        producer = self.producers.get(node.values[0])
        if producer is None or producer.primitive != "reshape":
            return False
        before, after = self.shape(producer.values[0]), self.shape(node.outputs[0])
        return len(before) == len(after) > 2 and before != after

    def shape(self, value: int) -> tuple[int, ...]:
        return tuple(self.program.avals[value].shape)

    def is_floating(self, value: int) -> bool:
        return is_floating(self.program.avals[value])


def called_values(structure: Structure) -> list[tuple[str, int]]:
    """The named functions (`relu`, `silu` ...) with one result, and their results, in order."""
    whole = {path[0] for path, _ in structure.program.keys} == {0}  # one call, of the net itself
    found: dict[tuple[str, int], None] = {}
    for path, (name, outputs) in sorted(structure.program.calls.items()):
        named = name.isidentifier() and not name.startswith("_")
        if not named or len(outputs) != 1 or (whole and len(path) == 1):
            continue
        (value,) = outputs
        if isinstance(value, int) and value in structure.producers and value in structure.active:
            # `relu` is a function with a rule around a compiled function, both of that name.
            found[name, value] = None
    return sorted(found, key=lambda use: use[1])
