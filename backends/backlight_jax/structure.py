"""What a program shows about the net: what depends on the examples, poolings, softmax, channels."""

from collections.abc import Callable, Collection
from functools import cached_property
from typing import Any, TypeAlias, final

from jax.extend.core import Literal

from backlight.arrays import Channels
from backlight.outputs import OutputKind
from backlight_jax.program import Node, Operand, Program

SAME_VALUE = {
    "convert_element_type",
    "copy",
    "copy_p",
    "stop_gradient",
    "name",
    "optimization_barrier",
    "reduce_precision",
}
"""Equations whose result is their operand."""

LAYOUT = SAME_VALUE | {"broadcast_in_dim", "reshape", "squeeze", "expand_dims", "transpose"}
"""Equations that only move or repeat numbers."""

PICKED = {"dynamic_slice", "gather", "slice"}
"""Equations whose result is some of the numbers of their first operand."""

Producer: TypeAlias = Callable[[Operand], Node | None]
"""What computed an operand."""


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

    def kind(self, output: Operand, axis: int = 1) -> OutputKind:
        """What an output holds, by the operations that made it."""
        if self._is_sigmoid(output):
            return "sigmoid"
        node, axis = self._origin(output, axis)
        if node is None:
            return "logits"
        if node.primitive == "div" and self._is_softmax(node, axis):
            return "probabilities"
        if node.primitive == "sub" and self._is_log_softmax(node, axis):
            return "log_probabilities"
        if node.primitive == "exp" and self.kind(node.inputs[0], axis) == "log_probabilities":
            return "probabilities"
        if node.primitive == "log" and self.kind(node.inputs[0], axis) == "probabilities":
            return "log_probabilities"
        return "logits"

    def _is_sigmoid(self, output: Operand) -> bool:
        """Whether each number is a sigmoid's, wherever it stands."""
        node = self._producer(output)
        while node is not None and node.primitive in LAYOUT | PICKED:
            node = self._producer(node.inputs[0])
        return node is not None and node.primitive == "logistic"

    def _producer(self, operand: Operand) -> Node | None:
        return None if isinstance(operand, Literal) else self.producers.get(operand, (None,))[0]

    def _origin(self, operand: Operand, axis: int) -> tuple[Node | None, int]:
        """What computed a value, and where it has `axis` there."""
        node = self._producer(operand)
        while node is not None and node.primitive in SAME_VALUE | {"transpose"}:
            if node.primitive == "transpose":
                axis = node.params["permutation"][axis] if axis < len(self._dims(node)) else axis
            node = self._producer(node.inputs[0])
        return node, axis

    def _dims(self, node: Node) -> tuple[int, ...]:
        return tuple(node.params["permutation"])

    def _behind_layout(self, operand: Operand) -> Operand:
        return behind_layout(self._producer, operand)

    def _exponential_of_sum(self, operand: Operand, axis: int) -> Operand | None:
        """e, where the operand is the sum of e along the axis, and e an exponential."""
        total = self._producer(self._behind_layout(operand))
        if total is not None and total.primitive == "abs":  # which logsumexp takes, in vain
            total = self._producer(self._behind_layout(total.inputs[0]))
        if (
            total is None
            or total.primitive != "reduce_sum"
            or tuple(total.params["axes"]) != (axis,)
        ):
            return None
        exponential = self._producer(total.inputs[0])
        return total.inputs[0] if exponential and exponential.primitive == "exp" else None

    def _is_softmax(self, node: Node, axis: int) -> bool:
        """e / sum e."""
        above, below = node.inputs
        exponential = self._exponential_of_sum(below, axis)
        return exponential is not None and self._same(above, exponential)

    def _is_log_softmax(self, node: Node, axis: int) -> bool:
        """z - log sum exp z, or z - (log sum exp (z - m) + m)."""
        z, rest = node.inputs
        shift: Operand | None = None
        other = self._producer(self._behind_layout(rest))
        if other is not None and other.primitive == "add":
            logs = [o for o in other.inputs if self._primitive(self._behind_layout(o)) == "log"]
            shifts = [o for o in other.inputs if o not in logs]
            if len(logs) != 1 or len(shifts) != 1:
                return False
            other, shift = self._producer(self._behind_layout(logs[0])), shifts[0]
        if other is None or other.primitive != "log":
            return False
        exponential = self._exponential_of_sum(other.inputs[0], axis)
        inner = self._producer(exponential) if exponential is not None else None
        if inner is None:
            return False
        if shift is None:
            return self._same(inner.inputs[0], z)
        shifted = self._producer(inner.inputs[0])
        return (
            shifted is not None
            and shifted.primitive == "sub"
            and self._same(shifted.inputs[0], z)
            and self._same(self._behind_layout(shifted.inputs[1]), self._behind_layout(shift))
        )

    def _primitive(self, operand: Operand) -> str:
        node = self._producer(operand)
        return "" if node is None else node.primitive

    def _same(self, one: Operand, other: Operand) -> bool:
        return same(self._producer, one, other)


def behind_layout(producer: Producer, operand: Operand) -> Operand:
    """What an operand was before it was moved and repeated."""
    node = producer(operand)
    while node is not None and node.primitive in LAYOUT:
        operand = node.inputs[0]
        node = producer(operand)
    return operand


def same(producer: Producer, one: Operand, other: Operand, depth: int = 4) -> bool:
    """Whether two operands are equal by construction: `exp(x)` may be written twice."""
    if isinstance(one, Literal) or isinstance(other, Literal):
        return (
            isinstance(one, Literal) and isinstance(other, Literal) and bool(one.val == other.val)
        )
    if one == other:
        return True
    first, second = producer(one), producer(other)
    return (
        depth > 0
        and first is not None
        and second is not None
        and first.primitive == second.primitive
        and len(first.inputs) == len(second.inputs)
        and described(first.params) == described(second.params)
        and all(
            same(producer, a, b, depth - 1)
            for a, b in zip(first.inputs, second.inputs, strict=True)
        )
    )


def ends(node: Node) -> tuple[int, int]:
    return node.values[0], node.outputs[0]


def described(params: dict[str, Any]) -> str:
    return repr(sorted(params.items()))
