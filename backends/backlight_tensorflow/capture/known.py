"""What is known of values without running anything: lengths and constants."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from backlight.graph.graph import Node as CoreNode
from backlight.graph.primitives import evaluated
from backlight_tensorflow.capture.flattening import Node, Value
from backlight_tensorflow.table import primitives_of
from backlight_tensorflow.table.reading import Reading, Shape


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
    tensor: Callable[[Value], tf.Tensor], shapes: dict[Value, Shape] | None = None
) -> Known:
    """What a graph says of its tensors, but for shapes that are known otherwise."""

    @cache
    def static(value: Value) -> NDArray[Any] | None:
        found = tensor(value)
        if found.dtype in (tf.resource, tf.variant, tf.string):
            return None
        number = tf.get_static_value(found)
        if number is None and value.node is not None and found.dtype.is_integer:
            number = folded(value, value.node)
        return None if number is None else np.asarray(number)

    def folded(value: Value, node: Node) -> NDArray[Any] | None:
        """Axes and lengths that are computed from constants."""
        numbers = [each for operand in node.inputs if (each := static(operand)) is not None]
        if len(numbers) < len(node.inputs) or len(node.outputs) > 1 or not numbers:
            return None
        if node.op.type == "Range":
            start, stop, step = (int(each) for each in numbers)
            return np.arange(start, stop, step)
        *more, last = primitives_of(Known(shape, static).read(node))
        if more:
            return None
        made = CoreNode(last.primitive, (), (), last.attributes)
        results = evaluated(made, [numbers[place] for place in last.operands])
        return None if results is None else results[0]

    @cache
    def shape(value: Value) -> Shape:
        if shapes is not None and value in shapes:
            return shapes[value]
        found = value.tensor if value.tensor.dtype == tf.resource else tensor(value)
        held = shape_held(found)
        return () if held.rank is None else tuple(-1 if each is None else each for each in held)

    return Known(shape, static)


def shape_held(tensor: tf.Tensor) -> tf.TensorShape:
    """The shape of an array, or of the variable that a handle is of."""
    if tensor.dtype != tf.resource:
        return tensor.shape
    held = getattr(tensor, "_handle_data", None)
    return (
        tf.TensorShape(held.shape_and_type[0].shape)
        if held and held.shape_and_type
        else tensor.shape
    )
