"""The TensorFlow and Keras backend: errors."""

from typing import Any

# First, because torch and TensorFlow bring clashing libraries and only this order loads.
import pytest
import tensorflow as tf

from backlight.errors import (
    ModelError,
)
from tests.backends.tensorflow.model.nets import Module, bound, convolutional, numbers, wrap


def test_wrong_shapes_say_what_is_wanted() -> None:
    with pytest.raises(ModelError) as caught:
        wrap(convolutional()).predict(numbers(2, 7, 8, 2))
    message = str(caught.value)
    assert "when called with shapes (2, 7, 8, 2) float64" in message
    assert "it wants pixels: (None, 8, 8, 2) float64" in message
    assert "\x1b" not in message
    assert caught.value.__cause__ is not None


def test_wrong_dtypes_and_failures_while_running() -> None:
    x = numbers(2, 5)
    model = wrap(Module())
    with pytest.raises(ModelError, match=r"called with shapes \(2, 5\) float32"):
        model.predict(tf.constant(x, tf.float32))

    def late(x: Any) -> Any:
        return tf.ensure_shape(tf.reshape(x, (tf.shape(x)[0] - 1, -1)), (None, 5))

    with pytest.raises(ModelError, match="InvalidArgumentError when called with shapes x: "):
        wrap(late, framework="tensorflow").predict({"x": x})
    with pytest.raises(ModelError, match="numpy"):
        wrap(lambda x: tf.constant(x.numpy()), framework="tensorflow").predict(x)


def test_operations_without_a_gradient() -> None:
    x = numbers(2, 4, 4, 1)

    def net(x: Any) -> Any:
        return tf.reshape(tf.image.resize(x, (2, 2), method="area"), (-1, 4))

    model = wrap(net, framework="tensorflow")
    with pytest.raises(ModelError, match="cannot differentiate"):
        model.gradient(x, bound(model, x, 0))
