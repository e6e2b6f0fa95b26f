"""Gradients through a copy of a graph: of all of it at once, or of one operation after the other."""

from collections.abc import Mapping, Sequence
from typing import TypeAlias

import tensorflow as tf
from tensorflow.python.framework import ops as tensorflow_ops

from backlight.errors import ModelError
from backlight_tensorflow.capture.flattening import Node, Tensor, Value, carries_numbers
from backlight_tensorflow.engine.copying import CONTROL_FLOW, Copy
from backlight_tensorflow.engine.plans import Plan

Found: TypeAlias = Tensor | tf.IndexedSlices | None
"""TensorFlow's three ways of saying what a gradient is."""

UNDIFFERENTIABLE = "TensorFlow cannot differentiate this model: {}"


class Gradients:
    """What has come back so far to each value.

    Args:
        copy: the operations and the values that went through them.
        plan: says which values gradients go back to, and which operations they go through as they are.
        seeds: the gradients of some values, to begin with.
    """

    def __init__(self, copy: Copy, plan: Plan, seeds: Mapping[Value, Tensor]) -> None:
        self.copy, self.plan = copy, plan
        self._parts: dict[Value, list[Tensor]] = {value: [one] for value, one in seeds.items()}

    def __getitem__(self, value: Value) -> Tensor | None:
        parts = self._parts.get(value)
        if not parts:
            return None
        if len(parts) > 1:
            self._parts[value] = parts = [tf.add_n(parts)]
        return parts[0]

    def add(self, value: Value, gradient: Tensor) -> None:
        self._parts.setdefault(value, []).append(gradient)

    def replace(self, value: Value, gradient: Tensor) -> None:
        self._parts[value] = [gradient]

    def back(self, node: Node) -> None:
        """Hand the gradients of an operation's results on to its operands."""
        upstream = [self[value] for value in node.outputs]
        if all(each is None for each in upstream):
            return
        if node in self.plan.passed:
            one_each = len(upstream) == len(node.inputs)
            found: Sequence[Found] = upstream if one_each else [upstream[0]] * len(node.inputs)
        else:
            found = derivative(self.copy, node, upstream)
        for value, each in zip(node.inputs, found, strict=True):
            if each is not None and value in self.plan.active:
                self.add(value, dense(each, self.copy.tensor(value)))


def derivative(copy: Copy, node: Node, upstream: Sequence[Tensor | None]) -> Sequence[Found]:
    """TensorFlow's own gradient of one operation, for each operand."""
    operands, results = copy.tensors(node.inputs), copy.tensors(node.outputs)
    if node.op.type in CONTROL_FLOW:
        pairs = [pair for pair in zip(results, upstream, strict=True) if pair[1] is not None]
        floating = [each for each in operands if carries_numbers(each)]
        given = [result for result, _ in pairs], [each for _, each in pairs]
        found = iter(differentiated(*given, floating))
        return [next(found) if carries_numbers(each) else None for each in operands]
    op = results[0].op
    try:
        function = tensorflow_ops.get_gradient_function(op)
    except LookupError as error:
        raise ModelError(UNDIFFERENTIABLE.format(error)) from error
    if function is None:
        return [None] * len(operands)
    filled = [
        tf.zeros_like(result) if each is None and carries_numbers(result) else each
        for each, result in zip(upstream, op.outputs, strict=True)
    ]
    gradients = function(op, *filled)
    return gradients if isinstance(gradients, (list, tuple)) else [gradients]


def gradients_of(scores: Tensor, places: Sequence[Tensor]) -> list[Tensor]:
    """d (sum of the scores) / d each place; zero where nothing leads there, or for integers."""
    floating = [place for place in places if place.dtype.is_floating]
    found = iter(differentiated([scores], None, floating))
    return [dense(next(found) if place.dtype.is_floating else None, place) for place in places]


def differentiated(
    results: Sequence[Tensor], upstream: Sequence[Tensor] | None, operands: Sequence[Tensor]
) -> list[Found]:
    """TensorFlow's own gradients through all that lies between."""
    try:
        found: list[Found] = tf.gradients(
            list(results), operands, upstream, stop_gradients=operands
        )
    except LookupError as error:
        raise ModelError(UNDIFFERENTIABLE.format(error)) from error
    return found


def dense(gradient: Found, place: Tensor) -> Tensor:
    """A gradient as an array like its place."""
    if gradient is None:
        return tf.zeros_like(place)
    if isinstance(gradient, tf.IndexedSlices):
        rows = gradient.indices[:, None]
        return tf.tensor_scatter_nd_add(tf.zeros_like(place), rows, gradient.values)
    if not gradient.shape.is_fully_defined():
        gradient.set_shape(place.shape)
    return gradient
