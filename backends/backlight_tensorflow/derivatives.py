"""Derivatives at kinks and ties, where TensorFlow's own depend on how a function is written."""

import tensorflow as tf

from backlight.operations import Kind
from backlight_tensorflow.capture.flattening import Tensor
from backlight_tensorflow.engine.copying import Copy
from backlight_tensorflow.engine.plans import Unit

REDUCED = {"Max", "Min"}
RECTIFIERS = {"Relu", "Relu6"}


def has_own(unit: Unit) -> bool:
    """Whether a unit's derivative is written here."""
    if unit.kind in (Kind.RELU, Kind.RELU6):
        return unit.core.op.type not in RECTIFIERS or len(unit.nodes) > 1
    return unit.kind in (Kind.MAX, Kind.MIN) and (unit.core.op.type in REDUCED or is_cut(unit))


def is_cut(unit: Unit) -> bool:
    """Whether it is the maximum or minimum with a constant of no larger shape."""
    if len(unit.inputs) != 1:
        return False
    (value,) = unit.inputs
    before, after = value.tensor.shape, unit.output.tensor.shape
    return bool(before.rank == after.rank and list(before)[1:] == list(after)[1:])


def own(run: Copy, unit: Unit, grad: Tensor) -> Tensor:
    """The gradient of the one input from the gradient of the output."""
    x = run.tensor(unit.inputs[0])
    zeros = tf.zeros_like(grad)
    if unit.kind is Kind.RELU:
        return tf.where(x > 0, grad, zeros)
    if unit.kind is Kind.RELU6:
        return tf.where((x > 0) & (x < tf.cast(unit.found.constant, x.dtype)), grad, zeros)
    if unit.core.op.type in REDUCED:
        return to_first(x, run.tensor(unit.core.inputs[1]), run.tensor(unit.output), grad)
    (other,) = [value for value in unit.core.inputs if value is not unit.inputs[0]]
    constant = run.tensor(other)
    wins = x > constant if unit.kind is Kind.MAX else x < constant
    return tf.where(wins, grad, zeros)


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
