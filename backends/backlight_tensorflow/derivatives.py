"""Derivatives that are a convention: 0 at the kinks of rectifiers, and where several numbers are the
largest, the first one gets all."""

from collections.abc import Sequence

import tensorflow as tf

from backlight_tensorflow.capture.flattening import Tensor

RECTIFIERS = frozenset({"Relu", "Relu6", "LeakyRelu", "Abs"})
"""Operations whose derivative in TensorFlow is what the convention says."""

EXTREMA = {"max": tf.argmax, "min": tf.argmin}
"""What says where the largest and the smallest number along axes are, the first of several."""


def along_axes(primitive: str, axes: Sequence[int], x: Tensor, grad: Tensor) -> Tensor:
    """The gradient of the largest or smallest number along axes."""
    kept = [axis for axis in range(x.shape.rank) if axis not in axes]
    order = [*kept, *axes]
    moved = tf.transpose(x, order)
    flat = tf.reshape(moved, tf.concat([tf.shape(moved)[: len(kept)], [-1]], 0))
    first = EXTREMA[primitive](flat, axis=-1)
    hit = tf.range(tf.shape(flat)[-1], dtype=first.dtype) == first[..., None]
    arriving = tf.reshape(grad, tf.shape(first))[..., None]
    found = tf.reshape(tf.where(hit, arriving, tf.zeros_like(flat)), tf.shape(moved))
    found = tf.transpose(found, sorted(range(len(order)), key=order.__getitem__))
    found.set_shape(x.shape)
    return found
