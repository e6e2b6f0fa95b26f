"""Operations of a traced graph made again in the graph that is being built, only those needed.

The user's code is not run again, and what has no part in the result (assertions, assignments,
updates of moving averages) is left behind. A value can be replaced before what hangs on it is made.
"""

from collections.abc import Callable, Sequence
from functools import partial
from itertools import chain
from threading import RLock

import tensorflow as tf
from tensorflow.python.framework import ops as tensorflow_ops
from tensorflow.python.framework.func_graph import FuncGraph
from tensorflow.python.ops import handle_data_util

from backlight_tensorflow.capture.flattening import Flat, Node, Tensor, Value, flatten

LOCK = RLock()
"""Held while anything is traced or made again, never while anything runs."""

GRADIENT = "_gradient_op_type"
"""The attribute by which TensorFlow finds a gradient other than the operation's own."""
USERS_GRADIENT = "BacklightUsersGradient"
"""The one gradient that is registered here: it looks up what the operation was copied from."""


class Copy:
    """The values that were made again so far.

    Args:
        made: what is there already: arguments, captured tensors.
        known: gives what else need not be made, None for the rest.
    """

    def __init__(
        self,
        made: dict[Value, Tensor],
        known: Callable[[Value], Tensor | None] = lambda value: None,
    ) -> None:
        self._made, self._known = made, known

    def tensor(self, value: Value) -> Tensor:
        """The value in the graph that is being built."""
        waiting = [] if self._has(value) else [value.node]
        while waiting:
            node = waiting[-1]
            if node is None:
                raise LookupError("A traced value has neither an operation nor an argument.")
            missing = [operand.node for operand in node.inputs if not self._has(operand)]
            if missing:
                waiting.extend(missing)
                continue
            waiting.pop()
            if not all(map(self._has, node.outputs)):
                self.make(node, self.tensors(node.inputs))
        return self._made[value]

    def tensors(self, values: Sequence[Value]) -> list[Tensor]:
        return [self.tensor(value) for value in values]

    def put(self, value: Value, tensor: Tensor) -> None:
        """A tensor for a value: what is made from now on reads it."""
        self._made[value] = tensor

    def _has(self, value: Value) -> bool:
        if value not in self._made:
            found = self._known(value)
            if found is None:
                return False
            self._made[value] = found
        return True

    def make(self, node: Node, operands: list[Tensor]) -> Sequence[Tensor]:
        """An operation on these operands."""
        special, gradient = CONTROL_FLOW.get(node.op.type), users_gradient(node)
        if special is not None:
            results = special(node, operands)
        elif gradient is None:
            results = again(node, operands)
        else:
            graph = tf.compat.v1.get_default_graph()
            with graph.gradient_override_map({node.op.type: USERS_GRADIENT}):
                results = again(node, operands)
            results[0].op._backlight = partial(self._users_gradient, node, gradient)
        for value, tensor in zip(node.outputs, results, strict=True):
            self._made.setdefault(value, tensor)
        return results

    def _users_gradient(
        self, node: Node, gradient: Callable[..., object], *upstream: Tensor | None
    ) -> list[Tensor | None]:
        """Trace the user's gradient function beside the graph it looks back at, and copy that."""
        beside = FuncGraph("gradient")
        with beside.as_default():
            given = [
                None if each is None else tf.compat.v1.placeholder(each.dtype, each.shape)
                for each in upstream
            ]
            found = gradient(node.op, *given)
            found = list(found) if isinstance(found, (list, tuple)) else [found]
            results = [None if each is None else tf.convert_to_tensor(each) for each in found]
        captures = beside.captures
        fed_inputs = [each for each in given if each is not None]
        beside.inputs = [*fed_inputs, *(inside for _, inside in captures)]
        beside.outputs = [each for each in results if each is not None]
        arguments = [each for each in upstream if each is not None]
        arguments += [self._outside(node, tensor) for tensor, _ in captures]
        copied = iter(run(flatten(beside), arguments))
        return [None if each is None else next(copied) for each in results]

    def _outside(self, node: Node, tensor: Tensor) -> Tensor:
        """A tensor of the traced graph, or of outside of it, as it is here."""
        if id(tensor) in node.scope:
            return self.tensor(node.scope[id(tensor)])
        graph = getattr(tensor, "graph", None)
        if isinstance(graph, FuncGraph):
            for outer, inside in graph.captures:
                if inside is tensor:
                    return self._outside(node, outer)
        return tensor


def users_gradient(node: Node) -> Callable[..., object] | None:
    """None also where a SavedModel has lost it: then what it computes is differentiated."""
    if GRADIENT not in node.attributes:
        return None
    try:
        named = node.op.get_attr(GRADIENT).decode()
        found: Callable[..., object] = tensorflow_ops.gradient_registry.lookup(named)
    except LookupError:
        return None
    return found


def run(flat: Flat, arguments: Sequence[Tensor]) -> list[Tensor]:
    """A flat graph made again on other arguments."""
    return Copy(dict(zip(flat.inputs, arguments, strict=True))).tensors(flat.outputs)


def again(node: Node, operands: Sequence[Tensor]) -> list[Tensor]:
    """The same operation on other operands, in the graph that is being built."""
    op, graph = node.op, tf.compat.v1.get_default_graph()
    for name in chain.from_iterable(node.function_names.values()):
        graph._add_function_recursive(op.graph._get_function(name))
    # What `create_op` calls, which looks for deprecated arguments in half of its time.
    new = graph._create_op_internal(
        op.type,
        list(operands),
        [result.dtype for result in op.outputs],
        name=op.name,
        attrs={name: value for name, value in node.attributes.items() if name != GRADIENT},
        op_def=op.op_def,
    )
    if op.device:
        new._set_device_from_string(op.device)
    for before, after in zip(op.outputs, new.outputs, strict=True):
        if not after.shape.is_fully_defined():
            after.set_shape(before.shape)
        if before.dtype in (tf.resource, tf.variant):
            handle_data_util.copy_handle_data(before, after)
    return list(new.outputs)


@tf.RegisterGradient(USERS_GRADIENT)  # type: ignore[untyped-decorator]
def _find_users_gradient(op: tf.Operation, *upstream: Tensor) -> list[Tensor | None]:
    gradient: Callable[..., list[Tensor | None]] = op._backlight
    return gradient(*upstream)


def _while(node: Node, operands: list[Tensor]) -> list[Tensor]:
    (condition,), (body,) = node.functions["cond"], node.functions["body"]
    # What the body hands on as it is would be stacked up once per step for the backward pass.
    varying = [
        position
        for position, (before, after) in enumerate(zip(body.inputs, body.outputs, strict=True))
        if before is not after
    ]

    def full(state: Sequence[Tensor]) -> list[Tensor]:
        arguments = list(operands)
        for position, tensor in zip(varying, state, strict=True):
            arguments[position] = tensor
        return arguments

    def step(*state: Tensor) -> tuple[Tensor, ...]:
        copy = Copy(dict(zip(body.inputs, full(state), strict=True)))
        return tuple(copy.tensors([body.outputs[position] for position in varying]))

    last = tf.while_loop(
        lambda *state: run(condition, full(state))[0],
        step,
        tuple(operands[position] for position in varying),
        shape_invariants=tuple(body.inputs[position].tensor.shape for position in varying),
        parallel_iterations=node.op.get_attr("parallel_iterations"),
    )
    return full(last)


def _choice(node: Node, operands: list[Tensor]) -> list[Tensor]:
    index, *arguments = operands
    bodies = [
        partial(run, body, arguments)
        for name in ("then_branch", "else_branch", "branches")
        for body in node.functions.get(name, ())
    ]
    several = "branches" in node.functions
    chosen = tf.switch_case(index, bodies) if several else tf.cond(tf.cast(index, tf.bool), *bodies)
    results: list[Tensor] = tf.nest.flatten(chosen)
    for before, after in zip(node.op.outputs, results, strict=True):
        after.set_shape(before.shape)
    return results


CONTROL_FLOW: dict[str, Callable[[Node, list[Tensor]], list[Tensor]]] = {
    **dict.fromkeys(("While", "StatelessWhile"), _while),
    **dict.fromkeys(("If", "StatelessIf", "Case", "StatelessCase"), _choice),
}
