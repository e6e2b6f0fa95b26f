"""TensorFlow's own gradients, of a whole graph that is being built or of a piece of it."""

from collections import defaultdict
from collections.abc import Sequence
from typing import TypeAlias

import tensorflow as tf
from tensorflow.python.framework import ops as tensorflow_ops

from backlight.errors import ModelError
from backlight_tensorflow.capture.flattening import Tensor, carries_numbers

Found: TypeAlias = Tensor | tf.IndexedSlices | None
"""TensorFlow's three ways of saying what a gradient is."""


def gradients_of(scores: Tensor, places: Sequence[Tensor]) -> list[Tensor]:
    """d (sum of the scores) / d each place; zero where nothing leads there, or for integers. What one
    place does by way of another counts for both."""
    floating = [place for place in places if place.dtype.is_floating]
    try:
        found = iter(tf.gradients([scores], floating))
    except LookupError as error:
        raise ModelError(f"TensorFlow cannot differentiate this model: {error}") from error
    return [dense(next(found) if place.dtype.is_floating else None, place) for place in places]


def pulled_back(
    results: Sequence[Tensor], gradients: Sequence[Tensor], operands: Sequence[Tensor]
) -> list[Tensor]:
    """The gradients of operands from those of results. Only what lies between is looked at, where
    `tf.gradients` looks at all that is computed from the operands."""
    arrived: dict[int, list[Tensor]] = defaultdict(list)
    for result, gradient in zip(results, gradients, strict=True):
        arrived[id(result)].append(gradient)
    led_to = set(map(id, operands))
    route = []
    for op in behind(operands, results):
        if not led_to.isdisjoint(map(id, op.inputs)):
            route.append(op)
            led_to.update(map(id, op.outputs))
    for op in reversed(route):
        upstream = [summed(arrived[id(result)]) for result in op.outputs]
        if any(each is not None for each in upstream):
            for operand, each in zip(op.inputs, derivative(op, upstream), strict=True):
                if each is not None and id(operand) in led_to:
                    arrived[id(operand)].append(dense(each, operand))
    return [dense(summed(arrived[id(operand)]), operand) for operand in operands]


def behind(operands: Sequence[Tensor], results: Sequence[Tensor]) -> list[tf.Operation]:
    """The operations that results are computed by, from operands on, in order."""
    ends, first = set(map(id, operands)), min(operand.op._id for operand in operands)
    found: set[tf.Operation] = set()
    waiting = [result for result in results if id(result) not in ends]
    while waiting:
        op = waiting.pop().op
        if op not in found and op._id >= first:
            found.add(op)
            waiting.extend(x for x in op.inputs if id(x) not in ends and carries_numbers(x))
    return sorted(found, key=lambda op: op._id)


def summed(parts: Sequence[Tensor]) -> Tensor | None:
    return tf.add_n(parts) if len(parts) > 1 else next(iter(parts), None)


def derivative(op: tf.Operation, upstream: Sequence[Tensor | None]) -> Sequence[Found]:
    """The gradient of one operation, for each operand; None where there is none by it."""
    try:
        function = tensorflow_ops.get_gradient_function(op)
    except LookupError:
        function = None  # as where operations are recognised: nothing goes back through it
    if function is None:
        return [None] * len(op.inputs)
    # What they depend on otherwise is shapes: nothing need be kept until those are asked for.
    with tf.control_dependencies(None):
        filled = [
            tf.zeros_like(result) if each is None and carries_numbers(result) else each
            for each, result in zip(upstream, op.outputs, strict=True)
        ]
        gradients = function(op, *filled)
    return gradients if isinstance(gradients, (list, tuple)) else [gradients]


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
