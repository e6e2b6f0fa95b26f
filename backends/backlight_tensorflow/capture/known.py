"""What is known of values without running anything: lengths and constants."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import cache
from math import prod
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from tensorflow.python.ops.handle_data_util import get_resource_handle_data

from backlight.graph.graph import FEW
from backlight.graph.graph import Node as CoreNode
from backlight.graph.primitives import evaluated
from backlight_tensorflow.capture.flattening import Node, Value
from backlight_tensorflow.table.reading import Reading, Shape, Steps

LIKES = {"ZerosLike": 0.0, "OnesLike": 1.0}
"""Operations that give one number throughout, as many times as their operand has numbers."""

LENGTHS: Mapping[str, Callable[[Shape], object]] = {"Shape": tuple, "Size": prod}
"""Operations that give the lengths of their operand."""


@dataclass(frozen=True)
class Known:
    """What is known of values without running anything.

    Attributes:
        shape: of a value; -1 for unknown lengths.
        static: what a value always is; None where it hangs on arguments or weights.
    """

    shape: Callable[[Value], Shape]
    static: Callable[[Value], NDArray[Any] | None]

    def read(self, node: Node) -> Reading:
        shapes, results = (list(map(self.shape, each)) for each in (node.inputs, node.outputs))
        return Reading(node.op, shapes, results, lambda place: self.static(node.inputs[place]))


def known_of(
    table: Callable[[Reading], Steps],
    tensor: Callable[[Value], tf.Tensor],
    varying: Collection[Value],
    shapes: Mapping[Value, Shape] | None = None,
) -> Known:
    """What a graph says of its tensors.

    Args:
        table: what an operation is by itself.
        varying: those that hang on arguments otherwise than by their lengths.
        shapes: those that are known otherwise.
    """
    measured = shapes or {}

    @cache
    def static(value: Value) -> NDArray[Any] | None:
        if value in varying or value.tensor.dtype in (tf.resource, tf.variant, tf.string):
            return None
        found = tensor(value)
        number, node = tf.get_static_value(found), value.node
        if number is None and node is not None:
            few = prod(shape(value)[1:]) <= FEW or node.op.type in LIKES
            number = folded(node) if found.dtype.is_integer or few else None
        return None if number is None else np.asarray(number, found.dtype.as_numpy_dtype)

    def folded(node: Node) -> NDArray[Any] | None:
        """What is computed from constants and lengths."""
        if node.op.type in LIKES and -1 not in (lengths := shape(node.inputs[0])):
            return np.broadcast_to(LIKES[node.op.type], lengths)
        if node.op.type in LENGTHS and node.inputs[0] in measured:
            return np.asarray(LENGTHS[node.op.type](measured[node.inputs[0]]))
        numbers = [each for operand in node.inputs if (each := static(operand)) is not None]
        if len(numbers) < len(node.inputs) or len(node.outputs) > 1 or not numbers:
            return None
        if node.op.type == "Range":
            return np.arange(*(each.item() for each in numbers))
        *more, last = table(Known(shape, static).read(node))
        if more:
            return None
        made = CoreNode(last.primitive, (), (), last.attributes)
        with np.errstate(all="ignore"):
            results = evaluated(made, [numbers[place] for place in last.operands])
        return None if results is None else results[0]

    @cache
    def shape(value: Value) -> Shape:
        if value in measured:
            return measured[value]
        found = value.tensor if value.tensor.dtype == tf.resource else tensor(value)
        held = shape_held(found)
        return () if held.rank is None else tuple(-1 if each is None else each for each in held)

    return Known(shape, static)


def shape_held(tensor: tf.Tensor) -> tf.TensorShape:
    """The shape of an array, or of the variable that a handle in a graph is of."""
    if tensor.dtype != tf.resource:
        return tensor.shape
    held = get_resource_handle_data(tensor)
    return tf.TensorShape(held.shape_and_type[0].shape) if held.is_set else tensor.shape
