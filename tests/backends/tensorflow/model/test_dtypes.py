"""The TensorFlow and Keras backend: dtypes."""

from typing import Any, cast

# First, because torch and TensorFlow bring clashing libraries and only this order loads.
import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from backlight.errors import (
    InputTypeError,
)
from backlight.values.outputs import OutputSpec
from tests.backends.tensorflow.model.nets import (
    F64,
    Module,
    bound,
    convolutional,
    host,
    numbers,
    wrap,
)


def test_native_in_native_out_in_the_same_dtype() -> None:
    net = convolutional("float32")
    model, x = wrap(net), numbers(2, 8, 8, 2)
    score = bound(model, x, 0)
    assert model.asarray(x).dtype == tf.float32
    assert model.asarray(x, like=tf.zeros(1, tf.float16)).dtype == tf.float16
    assert model.asarray(np.arange(3)).dtype == tf.int64
    assert model.asarray(np.ones(3, bool)).dtype == tf.bool
    assert wrap(lambda x: x, framework="tensorflow").asarray(x).dtype == tf.float32
    assert wrap(Module()).asarray(x.astype("float32")).dtype == tf.float64
    for dtype in ("float32", "float64", "float16"):
        given = tf.constant(x, dtype)
        found = model.gradient(given, score)
        assert found.gradient.dtype == dtype  # type: ignore[union-attr]
        assert found.value is given
        assert cast(Any, found.gradient).shape == given.shape
        assert isinstance(found.gradient, tf.Tensor)
        assert cast(Any, found.gradient).device == given.device
    variable = tf.Variable(tf.constant(x, tf.float32))
    np.testing.assert_array_equal(
        host(model.gradient(cast(Any, variable), score).gradient),
        host(model.gradient(tf.constant(x, tf.float32), score).gradient),
    )


def test_mixed_precision_keeps_the_users_dtype() -> None:
    policy = keras.DTypePolicy("mixed_float16")
    net = keras.Sequential(
        [
            keras.Input((4,)),
            layers.Dense(8, activation="relu", dtype=policy),
            layers.Dense(3, activation="softmax", dtype="float32"),
        ]
    )
    net2 = keras.Sequential([keras.Input((4,)), layers.Dense(3, dtype=policy)])
    x = numbers(2, 4).astype("float32")
    model = wrap(net)
    assert model.outputs(x) == OutputSpec((2, 3), "probabilities")
    found = model.gradient(x, bound(model, x, 0))
    assert cast(Any, found.gradient).dtype == tf.float32
    assert [site.name for site in wrap(net2).sites(x)] == [net2.layers[0].name]


def test_mixed_models_leave_numpy_dtypes_alone() -> None:
    class Mixed(keras.Model):
        def call(self, inputs: Any) -> Any:
            return inputs * 2

    model = wrap(Mixed(dtype="mixed_float16"))
    assert model.asarray(np.ones(3)).dtype == tf.float64
    assert model.asarray(np.ones(3, "float32")).dtype == tf.float32


def test_token_ids_at_their_embedding() -> None:
    net = keras.Sequential(
        [
            keras.Input((4,), dtype="int32"),
            layers.Embedding(10, 3, name="embedding", dtype=F64),
            layers.Flatten(dtype=F64),
            layers.Dense(2, dtype=F64),
        ]
    )
    model, ids = wrap(net), np.array([[1, 2, 3, 4], [5, 6, 7, 8]])
    score = bound(model, ids, 1)
    found = model.gradient(ids, score, at="embedding")
    expected = np.tile(net.layers[-1].get_weights()[0][:, 1].reshape(4, 3), (2, 1, 1))
    np.testing.assert_allclose(host(found.gradient), expected)
    with pytest.raises(InputTypeError, match="at='the embedding's name'"):
        model.gradient(ids, score)


def test_integers_beside_numbers_get_zeros() -> None:
    model = wrap(lambda x, n: x * tf.cast(n, x.dtype), framework="tensorflow")
    x, n = numbers(2, 3), np.array([[2], [3]])
    found = cast(Any, model.gradient((x, n), bound(model, (x, n), 0)).gradient)
    np.testing.assert_allclose(host(found[0])[:, 0], [2, 3])
    assert found[1].dtype == tf.int64
    assert not host(found[1]).any()


def test_masks_survive_layers_that_hand_on() -> None:
    net = keras.Sequential(
        [
            keras.Input((4,), dtype="int32"),
            layers.Embedding(10, 3, mask_zero=True, name="embedding", dtype=F64),
            layers.Dropout(0.1, name="off", dtype=F64),
            layers.Dropout(0.1, name="still", dtype=F64),
            layers.GlobalAveragePooling1D(dtype=F64),
        ]
    )
    model, ids = wrap(net), np.array([[1, 2, 0, 0], [5, 6, 7, 8]])
    np.testing.assert_allclose(host(model.predict(ids)), host(net(ids)), rtol=1e-12)
    found = model.gradient(ids, bound(model, ids, 1), at="still")
    weights = np.array([[0.5, 0.5, 0, 0], [0.25] * 4])[..., None] * [0.0, 1, 0]
    np.testing.assert_allclose(host(found.gradient), weights)


@pytest.mark.filterwarnings("ignore:Layer 'inner'.*was passed an input with a mask:UserWarning")
def test_masks_come_out_of_nested_models() -> None:
    net = keras.Sequential(
        [
            keras.Input((4,), dtype="int32"),
            layers.Embedding(10, 3, mask_zero=True, name="embedding", dtype=F64),
            keras.Sequential([layers.Dropout(0.1, name="off", dtype=F64)], name="inner"),
            layers.GlobalAveragePooling1D(dtype=F64),
        ]
    )
    ids = np.array([[1, 2, 0, 0], [5, 6, 7, 8]])
    np.testing.assert_allclose(host(wrap(net).predict(ids)), host(net(ids)), rtol=1e-12)


@pytest.mark.parametrize("layer", ["LSTM", "GRU", "SimpleRNN"])
def test_cells_called_for_their_shapes_only_are_no_sites(layer: str) -> None:
    net = keras.Sequential(
        [
            keras.Input((4,), dtype="int32"),
            layers.Embedding(10, 3, mask_zero=True, name="embedding", dtype=F64),
            getattr(layers, layer)(3, name="recurrent", dtype=F64),
            layers.Dense(2, name="last", dtype=F64),
        ]
    )
    model, ids = wrap(net), np.array([[1, 2, 0, 0], [5, 6, 7, 8]])
    assert [site.name for site in model.sites(ids)] == ["embedding", "recurrent", "last"]
    np.testing.assert_allclose(host(model.predict(ids)), host(net(ids)), rtol=1e-12)
