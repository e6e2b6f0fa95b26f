"""Which operands of an operation TensorFlow has a derivative by, asked of its gradient functions."""

import tensorflow as tf
from tensorflow.python.framework import ops as tensorflow_ops
from tensorflow.python.framework.func_graph import FuncGraph

from backlight_tensorflow.capture.flattening import SAME_VALUE, Node, Tensor, Value, carries_numbers


def derivatives_of(node: Node, ask: bool) -> set[Value] | None:
    """The operands that there is a derivative by which is not zero everywhere; None for all of them.

    Args:
        ask: whether a gradient function is called to find out, where there is one.
    """
    try:
        function = tensorflow_ops.get_gradient_function(node.op)
    except LookupError:
        function = None
    if function is None or not any(carries_numbers(each.tensor) for each in node.outputs):
        return set()
    if not ask:
        return None
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
        return {
            value
            for value, each in zip(node.inputs, listed, strict=True)
            if each is not None and not is_zero(each)
        }


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
