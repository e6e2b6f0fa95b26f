"""Which operands of an operation TensorFlow has a derivative by, asked of its gradient functions."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import tensorflow as tf
from tensorflow.python.framework import ops as tensorflow_ops
from tensorflow.python.framework.func_graph import FuncGraph

from backlight_tensorflow.flattening import Flat, Node, Tensor, Value
from backlight_tensorflow.flattening import SAME_VALUE, SHAPE_ONLY
from backlight_tensorflow.operators import MOVES, SELECTS, STOPS, SUMS
from backlight_tensorflow.passes import carries_numbers
from backlight_tensorflow.copying import has_users_gradient


@dataclass(eq=False)
class Part:
    """Operations that some results are computed from, and what derivatives do at them.

    Attributes:
        nodes: in the order of computation.
        transparent: operations whose derivative counts as that of what they are given.
    """

    nodes: list[Node]
    results: Sequence[Value]
    transparent: Collection[Node] = ()
    _asked: dict[Node, list[bool | None]] = field(default_factory=dict)

    def derived(self, node: Node, active: Collection[Value]) -> list[Value]:
        """The results of an operation that have a derivative, if these operands have one."""
        if node.op.type == "IdentityN" and not has_users_gradient(node):
            pairs = zip(node.inputs, node.outputs, strict=True)
            return [result for operand, result in pairs if operand in active]
        given = self._given(node)
        return given if given and self._passing(node).intersection(active) else []

    def cuts(self, node: Node, active: Collection[Value]) -> bool:
        """Whether a derivative by some of these operands gets lost here, though it may be wanted."""
        if node not in self._counted or self._is_safety(node):
            return False
        if not self._given(node):
            return True
        stopped = set(active) - self._passing(node)
        inside = self._computed_inside(node) if stopped else set()
        return not stopped <= inside

    def _given(self, node: Node) -> list[Value]:
        """The results that numbers go on in."""
        return [
            value
            for value in node.outputs
            if carries_numbers(value.tensor) and (value in self._users or value in self._ends)
        ]

    def _passing(self, node: Node) -> set[Value]:
        if node in self.transparent:
            return set(node.inputs)
        if node.op.type in STOPS:
            return set()
        if node.op.type in MOVES and not has_users_gradient(node):
            return set(node.inputs)
        asked = self._ask(node)
        return {value for value, passes in zip(node.inputs, asked, strict=True) if passes}

    def _ask(self, node: Node) -> list[bool | None]:
        if node not in self._asked:
            self._asked[node] = derivatives_of(node)
        return self._asked[node]

    def _computed_inside(self, node: Node) -> set[Value]:
        """Of a function with a gradient of the user's own: its results. They are operands of the
        operation that stands for the function, before the arguments, which have the gradient."""
        if not has_users_gradient(node):
            return set()
        flat, operands, found = Flat([], [], self.nodes), set(node.inputs), set()
        for value, passes in zip(node.inputs, self._ask(node), strict=True):
            if passes is not None:
                break
            if any(not operands.isdisjoint(each.inputs) for each in flat.needed([value])):
                found.add(value)
        return found

    def _is_safety(self, node: Node) -> bool:
        """Whether it holds constant the largest of some numbers that is taken away from them before
        the exponential: the derivative by it is zero."""
        if node.op.type not in STOPS:
            return False
        value = node.inputs[0]
        while value.node is not None and value.node.op.type in ALIKE:
            of = value.node.inputs
            value = of[1] if value.node.op.type in SELECTS else of[0]
        if value.node is None or value.node.op.type != "Max":
            return False
        users = self._behind(node.outputs[0])
        away = [user for user in users if user.op.type == "Sub"]
        return (
            bool(away)
            and all(user.op.type in SUMS for user in users)
            and all(
                each.op.type == "Exp" for user in away for each in self._behind(user.outputs[0])
            )
        )

    def _behind(self, value: Value) -> list[Node]:
        """What uses a value, moved about perhaps."""
        found = []
        for user in self._users.get(value, ()):
            if user.op.type in ALIKE and user.op.type not in SELECTS:
                found += self._behind(user.outputs[0])
            elif user.op.type not in SHAPE_ONLY:
                found.append(user)
        return found

    @cached_property
    def _ends(self) -> set[Value]:
        return set(self.results)

    @cached_property
    def _users(self) -> dict[Value, list[Node]]:
        found: dict[Value, list[Node]] = {}
        for node in self.nodes:
            for value in dict.fromkeys(node.inputs):
                found.setdefault(value, []).append(node)
        return found

    @cached_property
    def _counted(self) -> set[Node]:
        """The operations on the ways of derivatives: what a function with a gradient of the user's
        own does inside does not count."""
        found: set[Node] = set()
        waiting = [value.node for value in self.results]
        while waiting:
            node = waiting.pop()
            if node is not None and node not in found and node.op.type not in SHAPE_ONLY:
                found.add(node)
                inside = self._computed_inside(node)
                waiting += [value.node for value in node.inputs if value not in inside]
        return found


ALIKE = {*SAME_VALUE, *SELECTS, "Reshape", "ExpandDims", "Squeeze", "BroadcastTo"}
"""Operations whose result holds the numbers of the first operand, or of one of two."""


def derivatives_of(node: Node) -> list[bool | None]:
    """For each operand whether there is a derivative by it; None where nothing is said of any, False
    where it is zero everywhere."""
    try:
        function = tensorflow_ops.get_gradient_function(node.op)
    except LookupError:
        function = None
    if function is None:
        return [None] * len(node.inputs)
    beside = FuncGraph("gradient")
    with beside.as_default():
        upstream = [
            tf.compat.v1.placeholder(each.tensor.dtype, each.tensor.shape)
            if carries_numbers(each.tensor)
            else None
            for each in node.outputs
        ]
        found = function(node.op, *upstream)
        listed = found if isinstance(found, (list, tuple)) else [found]
        return [None if each is None else not is_zero(each) for each in listed]


def is_zero(gradient: Tensor | tf.IndexedSlices) -> bool:
    """Whether a tensor of a graph is written as zeros."""
    tensor = tf.convert_to_tensor(
        gradient.values if isinstance(gradient, tf.IndexedSlices) else gradient
    )
    type_, operands = tensor.op.type, tensor.op.inputs
    if type_ == "ZerosLike":
        return True
    if type_ in {"Mul", "MulNoNan"}:
        return any(map(is_zero, operands))
    if type_ == "Fill":
        return is_zero(operands[1])
    if type_ in {*SAME_VALUE, "Reshape", "ExpandDims", "Squeeze", "BroadcastTo", "Tile", "Neg"}:
        return is_zero(operands[0])
    known = tf.get_static_value(tensor) if type_ == "Const" else None
    return known is not None and not known.any()
