"""The TensorFlow and Keras backend: sites."""

from typing import Any

# First, because torch and TensorFlow bring clashing libraries and only this order loads.
import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from backlight.errors import (
    SiteError,
    UnknownNameError,
)
from backlight.scores.class_scores import Probability
from backlight.scores.scores import Neuron
from backlight.values.outputs import OutputSpec
from tests.backends.tensorflow.model.nets import F64, bound, convolutional, host, numbers, wrap


def test_sites_of_a_keras_model() -> None:
    x = numbers(2, 8, 8, 2)
    model = wrap(convolutional())
    sites = model.sites(x)
    assert [(site.name, site.shape, site.pooled) for site in sites] == [
        ("conv", (2, 8, 8, 3), False),
        ("again", (2, 8, 8, 3), False),
        ("dropout", (2, 8, 8, 3), False),
        ("add", (2, 8, 8, 3), False),
        ("again:2", (2, 8, 8, 3), False),
        ("norm", (2, 8, 8, 3), False),
        ("head/deep", (2, 6, 6, 4), False),
        ("head/pool", (2, 4), True),
        ("head", (2, 4), True),
        ("logits", (2, 3), False),
    ]
    assert [site.kind for site in sites[:4]] == ["Conv2D", "Conv2D", "Dropout", "Add"]
    assert [site.shape[0] for site in model.sites(numbers(5, 8, 8, 2))] == [5] * len(sites)


def test_gradients_at_every_site_against_differences() -> None:
    x = numbers(2, 8, 8, 2)
    model = wrap(convolutional())
    score = bound(model, x, Probability([0, 2]))
    for name in ("conv", "dropout", "again:2", "head/deep", "head"):
        site = model.site(x, name)
        value = host(model.activation(x, site.name))
        found = model.gradient(x, score, at=site.name)
        np.testing.assert_array_equal(host(found.value), value)
        np.testing.assert_allclose(host(found.score), host(model.score(x, score)), rtol=1e-12)
        # At another value than the model's own.
        moved = value + 0.1
        native = tf.constant(moved)
        there = model.gradient(x, score, at=site.name, value=native)
        assert there.value is native
        np.testing.assert_allclose(
            host(there.score), host(model.score(x, score, at=site.name, value=native))
        )
        place = (1, *(length // 2 for length in value.shape[1:]))
        for point, gradient in ((value, found.gradient), (moved, there.gradient)):
            up, down = point.copy(), point.copy()
            up[place] += 1e-5
            down[place] -= 1e-5
            above, below = (
                host(model.score(x, score, at=site.name, value=tf.constant(each))).sum()
                for each in (up, down)
            )
            slope = (above - below) / 2e-5
            np.testing.assert_allclose(host(gradient)[place], slope, rtol=1e-5, atol=1e-9)


def test_replacing_what_a_layer_hands_on_leaves_the_way_round_it() -> None:
    pixels = keras.Input((3,), dtype=F64)
    x = layers.Dense(3, name="dense", dtype=F64)(pixels)
    net = keras.Model(pixels, layers.Dropout(0.5, name="dropout", dtype=F64)(x) * 10 + x)
    model, given = wrap(net), numbers(2, 3)
    score = bound(model, given, 0)
    dense, dropout = (
        host(model.gradient(given, score, at=name).gradient)[:, 0] for name in ("dense", "dropout")
    )
    np.testing.assert_allclose(dense, 11)
    np.testing.assert_allclose(dropout, 10)


def test_neurons_scored_at_other_sites() -> None:
    x = numbers(2, 8, 8, 2)
    model = wrap(convolutional())
    conv, pool = model.site(x, "conv"), model.site(x, "head/pool")
    score = Neuron("head/pool", index=1).bind(OutputSpec(pool.shape), 2)
    np.testing.assert_allclose(
        host(model.score(x, score)), host(model.activation(x, "head/pool"))[:, 1]
    )
    assert host(model.gradient(x, score, at="conv").gradient).any()
    # The site's own value, and a site that is not on the way, computed after it.
    own = Neuron("conv", index=(1, 2, 0)).bind(OutputSpec(conv.shape), 2)
    expected = np.zeros(conv.shape)
    expected[:, 1, 2, 0] = 1
    np.testing.assert_array_equal(host(model.gradient(x, own, at="conv").gradient), expected)
    assert not host(model.gradient(x, own, at="head/pool").gradient).any()
    value = numbers(*conv.shape, seed=3)
    moved = model.score(x, own, at="conv", value=tf.constant(value))
    np.testing.assert_array_equal(host(moved), value[:, 1, 2, 0])


def test_nested_names_may_be_shortened_where_only_one_fits() -> None:
    model, x = wrap(convolutional()), numbers(1, 8, 8, 2)
    np.testing.assert_array_equal(
        host(model.activation(x, "deep")), host(model.activation(x, "head/deep"))
    )
    with pytest.raises(UnknownNameError, match=r"Unknown site 'dep'\. Nearest: .*head/deep"):
        model.activation(x, "dep")
    twice = keras.Sequential(
        [keras.Input((3,))]
        + [keras.Sequential([layers.Dense(3, name="same")], name=name) for name in "ab"]
    )
    with pytest.raises(UnknownNameError, match=r"Say which: a/same, b/same\."):
        wrap(twice).activation(numbers(1, 3), "same")


class Awkward(keras.Model):
    """Layers whose results are no rows of numbers per example."""

    def __init__(self) -> None:
        super().__init__()
        self.tokens = layers.Lambda(lambda x: tf.reshape(x, (-1, 3)), name="tokens")
        self.count = layers.Lambda(lambda x: tf.cast(x, tf.int32), name="count")
        self.both = layers.Lambda(lambda x: (x * 2, x * 3), name="both")

    def call(self, inputs: Any) -> Any:
        first, second = self.both(inputs)
        first = first + tf.cast(self.count(inputs), first.dtype)
        rows = tf.shape(inputs)[0]
        return tf.reshape(self.tokens(first + second), tf.stack([rows, 6]))


def test_operations_of_functional_models_are_sites() -> None:
    pixels = keras.Input((3,), dtype=F64)
    net = keras.Model(pixels, keras.ops.relu(pixels * 2) - 1)
    model, x = wrap(net), numbers(2, 3)
    sites = {site.kind: site.name for site in model.sites(x)}
    assert list(sites) == ["Multiply", "Relu", "Subtract"]
    found = model.gradient(x, bound(model, x, 0), at=sites["Multiply"])
    np.testing.assert_array_equal(host(found.gradient)[:, 0], x[:, 0] > 0)


def test_values_that_are_no_sites() -> None:
    model, x = wrap(Awkward()), numbers(2, 2, 3).astype("float32")
    assert [site.name for site in model.sites(x)] == ["both[0]", "both[1]"]
    score = bound(model, x, 1)
    with pytest.raises(SiteError, match=r"'count' holds int32 of shape \(None, 2, 3\)"):
        model.gradient(x, score, at="count")
    with pytest.raises(SiteError, match=r"'tokens' has shape \(4, 3\) for 2 examples"):
        model.gradient(x, score, at="tokens")
    with pytest.raises(SiteError, match=r"have shape \(2, 2, 3\) .*, got \(1, 2, 3\)"):
        model.score(x, score, at="both[1]", value=tf.zeros((1, 2, 3)))
    wide, narrow = (
        model.score(x, score, at="both[1]", value=tf.ones((2, 2, 3), dtype))
        for dtype in (tf.float64, tf.float32)
    )
    np.testing.assert_array_equal(host(wide), host(narrow))


def test_pooling_inside_a_container() -> None:
    pixels = keras.Input((4, 4, 1))
    block = keras.Sequential(
        [layers.MaxPooling2D(name="max"), layers.Dropout(0.1, name="off")], name="block"
    )
    x = layers.ReLU(name="relu")(block(pixels))
    net = keras.Model(pixels, layers.Flatten(name="flat")(x))
    model, x = wrap(net), numbers(2, 4, 4, 1)
    assert {site.name: site.pooled for site in model.sites(x)} == {
        "block/max": True,
        "block/off": True,
        "block": True,
        "relu": False,
        "flat": False,
    }
