"""The array functions that techniques may use, on TensorFlow tensors, eager or symbolic.

TensorFlow has neither the array API standard's names nor its keywords, refuses booleans and integers
in many reductions, and its NumPy mode is a global switch. So these are thin functions over the core
of TensorFlow; none of them needs a batch size that is known while tracing.
"""

from collections.abc import Sequence

import tensorflow as tf

from backlight.values.arrays import Axis
from backlight_tensorflow.capture.flattening import Tensor

# These are TensorFlow's own, under the standard's names.
abs = tf.abs
maximum = tf.maximum
reshape = tf.reshape
expand_dims = tf.expand_dims
broadcast_to = tf.broadcast_to
take = tf.gather
zeros_like = tf.zeros_like
astype = tf.cast
float32 = tf.float32


def sqrt(x: Tensor, /) -> Tensor:
    return tf.sqrt(_floating(x))


def exp(x: Tensor, /) -> Tensor:
    return tf.exp(_floating(x))


def log(x: Tensor, /) -> Tensor:
    return tf.math.log(_floating(x))


def where(condition: Tensor, x: Tensor, y: Tensor, /) -> Tensor:
    # A Python number takes the dtype of the array beside it.
    like = x if tf.is_tensor(x) else y
    dtype = like.dtype if tf.is_tensor(like) else None
    return tf.where(condition, tf.convert_to_tensor(x, dtype), tf.convert_to_tensor(y, dtype))


def sum(x: Tensor, /, *, axis: Axis = None, keepdims: bool = False) -> Tensor:
    return tf.reduce_sum(_countable(x), axis=axis, keepdims=keepdims)


def mean(x: Tensor, /, *, axis: Axis = None, keepdims: bool = False) -> Tensor:
    return tf.reduce_mean(_floating(x), axis=axis, keepdims=keepdims)


def max(x: Tensor, /, *, axis: Axis = None, keepdims: bool = False) -> Tensor:
    return tf.cast(tf.reduce_max(_countable(x), axis=axis, keepdims=keepdims), x.dtype)


def min(x: Tensor, /, *, axis: Axis = None, keepdims: bool = False) -> Tensor:
    return tf.cast(tf.reduce_min(_countable(x), axis=axis, keepdims=keepdims), x.dtype)


def argmax(x: Tensor, /, *, axis: int) -> Tensor:
    return tf.argmax(_countable(x), axis=axis)


def permute_dims(x: Tensor, /, axes: tuple[int, ...]) -> Tensor:
    return tf.transpose(x, axes)


def concat(arrays: Sequence[Tensor], /, *, axis: int = 0) -> Tensor:
    return tf.concat(list(arrays), axis)


def take_along_axis(x: Tensor, indices: Tensor, /, *, axis: int = -1) -> Tensor:
    """Along `axis`; the other axes are of equal length, or of length 1 in one of the two."""
    axes, last = x.ndim, x.ndim - 1
    axis %= axes
    if axis != last:
        order = (*(a for a in range(axes) if a != axis), axis)
        back = tuple(order.index(a) for a in range(axes))
        taken = take_along_axis(permute_dims(x, order), permute_dims(indices, order))
        return permute_dims(taken, back)
    x, indices = _alike(x, indices), _alike(indices, x)
    return tf.gather(x, indices, axis=last, batch_dims=last)


def isfinite(x: Tensor, /) -> Tensor:
    if x.dtype.is_floating or x.dtype.is_complex:
        return tf.math.is_finite(x)
    return tf.ones_like(x, dtype=tf.bool)


def all(x: Tensor, /, *, axis: Axis = None, keepdims: bool = False) -> Tensor:
    return tf.reduce_all(tf.cast(x, tf.bool), axis=axis, keepdims=keepdims)


def _floating(x: Tensor) -> Tensor:
    return x if x.dtype.is_floating else tf.cast(x, tf.float32)


def _countable(x: Tensor) -> Tensor:
    return tf.cast(x, tf.int64) if x.dtype == tf.bool else x


def _alike(x: Tensor, other: Tensor) -> Tensor:
    """`x` repeated where it is 1 and `other` is longer, on all axes but the last."""
    lengths, others = list(x.shape), list(other.shape)
    wanted = [axis for axis in range(len(lengths) - 1) if lengths[axis] == 1 and others[axis] != 1]
    if not wanted:
        return x
    shape, longer = tf.unstack(tf.shape(x)), tf.unstack(tf.shape(other))
    for axis in wanted:
        shape[axis] = longer[axis]
    return tf.broadcast_to(x, tf.stack(shape))
