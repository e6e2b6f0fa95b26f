"""Derivatives at kinks and ties, where TensorFlow's own depend on how a function is written."""

from typing import TYPE_CHECKING, cast

import tensorflow as tf

from backlight.engine.conventions import at_kinks
from backlight.rules.operations import Kind
from backlight.values.arrays import Array
from backlight_tensorflow.capture.flattening import Tensor
from backlight_tensorflow.engine.copying import Copy

if TYPE_CHECKING:
    from backlight_tensorflow.engine.applications import Applied

REDUCED = {"Max", "Min"}
RECTIFIERS = {"Relu", "Relu6"}


def has_own(op: "Applied") -> bool:
    """Whether the derivative of an operation is written here."""
    if op.kind in (Kind.RELU, Kind.RELU6):
        return op.core.op.type not in RECTIFIERS or len(op.nodes) > 1
    if op.kind not in (Kind.MAX, Kind.MIN):
        return False
    # A maximum or minimum over axes, or with a constant of no larger shape.
    before, after = op.operands[0].tensor.shape, op.results[0].tensor.shape
    alike = before.rank == after.rank and list(before)[1:] == list(after)[1:]
    return op.core.op.type in REDUCED or (len(op.operands) == 1 and alike)


def own(op: "Applied", run: Copy, grad: Tensor) -> Tensor:
    """The gradient of the one input from the gradient of the output."""
    (value,) = op.operands
    x = run.tensor(value)
    if op.core.op.type in REDUCED:
        return to_first(x, run.tensor(op.core.inputs[1]), run.tensor(op.results[0]), grad)
    others = [each for each in op.core.inputs if each is not value]
    bound = cast(Array, run.tensor(others[0])) if op.kind in (Kind.MAX, Kind.MIN) else None
    found = at_kinks(op.unit, cast(Array, x), cast(Array, grad), bound, op.arrays)
    assert found is not None
    return cast(Tensor, found)


def to_first(x: Tensor, axes: Tensor, extremum: Tensor, grad: Tensor) -> Tensor:
    """Hand a gradient to the first place, in row-major order, that holds the extremum over axes."""
    rank = tf.rank(x)
    axes = tf.reshape((axes + rank) % rank, (-1,))
    shape = tf.tensor_scatter_nd_update(tf.shape(x), axes[:, None], tf.ones_like(axes))
    equal = x == tf.reshape(extremum, shape)
    rest = tf.sets.difference(tf.range(rank)[None], tf.sort(axes)[None]).values
    order = tf.concat([rest, tf.sort(axes)], 0)
    moved = tf.transpose(equal, order)
    rows = tf.reduce_prod(tf.gather(tf.shape(x), rest))
    flat = tf.reshape(moved, tf.stack([rows, -1]))
    first = flat & (tf.cumsum(tf.cast(flat, tf.int32), axis=1) == 1)
    back = tf.transpose(tf.reshape(first, tf.shape(moved)), tf.math.invert_permutation(order))
    back.set_shape(x.shape)
    return tf.where(back, tf.reshape(grad, shape), tf.zeros_like(x))
