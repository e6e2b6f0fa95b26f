"""A pass over a path: its operations made again, and their derivatives taken one by one."""

from collections.abc import Container, Iterable, Mapping, Sequence

import tensorflow as tf
from tensorflow.python.framework import ops as tensorflow_ops

from backlight.errors import ModelError
from backlight_tensorflow.capture.flattening import Node, Tensor, Value, carries_numbers
from backlight_tensorflow.engine.copying import CONTROL_FLOW, Copy
from backlight_tensorflow.engine.programs import dense


class Pass(Copy):
    """A copy that remembers what each operation was made from and what it gave."""

    def __init__(self, made: dict[Value, Tensor]) -> None:
        super().__init__(made)
        self.operands: dict[Node, list[Tensor]] = {}
        self.results: dict[Node, list[Tensor]] = {}

    def _make(self, node: Node) -> Sequence[Tensor]:
        self.operands[node] = [self._made[operand] for operand in node.inputs]
        self.results[node] = list(super()._make(node))
        return self.results[node]

    def result(self, value: Value) -> Tensor:
        """A value as its operation gave it, or as it was given."""
        if value.node in self.results:
            return self.results[value.node][value.node.outputs.index(value)]
        return self.tensor(value)

    def again(self, nodes: Iterable[Node], given: Mapping[Value, Tensor]) -> "Pass":
        """A pass in which these operations are made anew from the given values."""
        made = dict(self._made)
        for node in nodes:
            for value in node.outputs:
                made.pop(value, None)
        made.update(given)
        return Pass(made)


class Gradients:
    """What has come back so far to each value."""

    def __init__(self, seeds: Mapping[Value, Tensor]) -> None:
        self._parts: dict[Value, list[Tensor]] = {value: [one] for value, one in seeds.items()}

    def add(self, value: Value, gradient: Tensor) -> None:
        self._parts.setdefault(value, []).append(gradient)

    def replace(self, value: Value, gradient: Tensor) -> None:
        self._parts[value] = [gradient]

    def __getitem__(self, value: Value) -> Tensor | None:
        parts = self._parts.get(value)
        if not parts:
            return None
        if len(parts) > 1:
            self._parts[value] = parts = [tf.add_n(parts)]
        return parts[0]


def pull(
    run: Pass,
    nodes: Sequence[Node],
    seeds: Mapping[Value, Tensor],
    active: Container[Value],
    transparent: Container[Node] = (),
    held: Container[Node] = (),
) -> Gradients:
    """Gradients of the seeds' values, back through these operations.

    Args:
        transparent: operations whose gradient goes through as it is.
        held: operations whose results count as constants.
    """
    gradients = Gradients(seeds)
    for node in reversed(nodes):
        if node not in held:
            step(run, node, gradients, active, transparent)
    return gradients


def step(
    run: Pass,
    node: Node,
    gradients: Gradients,
    active: Container[Value],
    transparent: Container[Node] = (),
) -> None:
    """Hand the gradients of an operation's results on to its operands."""
    upstream = [gradients[value] for value in node.outputs]
    if all(each is None for each in upstream):
        return
    if node in transparent:
        one_each = len(upstream) == len(node.inputs)
        passed = upstream if one_each else [upstream[0]] * len(node.inputs)
        for value, each in zip(node.inputs, passed, strict=True):
            if each is not None and value in active:
                gradients.add(value, each)
        return
    found = derivative(run, node, upstream)
    for value, operand, gradient in zip(node.inputs, run.operands[node], found, strict=True):
        if gradient is not None and value in active:
            each = dense(gradient, operand)
            if not each.shape.is_fully_defined():
                each.set_shape(operand.shape)
            gradients.add(value, each)


def derivative(
    run: Pass, node: Node, upstream: Sequence[Tensor | None]
) -> Sequence[Tensor | tf.IndexedSlices | None]:
    """TensorFlow's own gradient of one operation, for each operand."""
    operands, results = run.operands[node], run.results[node]
    if node.op.type in CONTROL_FLOW:
        return through_control_flow(operands, results, upstream)
    op = results[0].op
    try:
        function = tensorflow_ops.get_gradient_function(op)
    except LookupError as error:
        raise ModelError(f"TensorFlow cannot differentiate this model: {error}") from error
    if function is None:
        return [None] * len(operands)
    filled = [
        tf.zeros_like(result) if each is None and carries_numbers(result) else each
        for each, result in zip(upstream, op.outputs, strict=True)
    ]
    found = function(op, *filled)
    return found if isinstance(found, (list, tuple)) else [found]


def through_control_flow(
    operands: Sequence[Tensor], results: Sequence[Tensor], upstream: Sequence[Tensor | None]
) -> list[Tensor | tf.IndexedSlices | None]:
    pairs = [pair for pair in zip(results, upstream, strict=True) if pair[1] is not None]
    floating = [each for each in operands if carries_numbers(each)]
    try:
        found = iter(
            tf.gradients(
                [result for result, _ in pairs],
                floating,
                [each for _, each in pairs],
                stop_gradients=floating,
            )
        )
    except LookupError as error:
        raise ModelError(f"TensorFlow cannot differentiate this model: {error}") from error
    return [next(found) if carries_numbers(each) else None for each in operands]
