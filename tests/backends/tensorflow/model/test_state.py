"""The TensorFlow and Keras backend: state."""

import threading
from typing import Any

# First, because torch and TensorFlow bring clashing libraries and only this order loads.
import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from backlight.errors import (
    ModelError,
)
from backlight_methods import Gradient
from tests.backends.tensorflow.model.nets import (
    F64,
    Subclassed,
    bound,
    convolutional,
    host,
    numbers,
    state,
    wrap,
)


class Restless(keras.Model):
    """It updates moving averages, draws noise and keeps tensors, even at inference."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = layers.BatchNormalization(name="norm", dtype=F64)
        self.drop = layers.Dropout(0.5, seed=3, dtype=F64)
        self.dense = layers.Dense(3, activity_regularizer="l2", name="dense", dtype=F64)
        self.kept: Any = None
        self.fails = False

    def call(self, inputs: Any) -> Any:
        x = self.dense(self.drop(self.norm(inputs, training=True), training=True))
        self.kept = x
        if self.fails:
            raise RuntimeError("on purpose")
        return x


def test_the_model_is_as_before_also_after_an_error() -> None:
    net, x = Restless(), numbers(4, 5)
    net(x)
    model, before = wrap(net), state(net)
    score = bound(model, x, 1)
    model.gradient(x, score, at="norm")
    model.sites(x)
    assert state(net) == before
    net.fails = True
    before = state(net)
    with pytest.raises(ModelError, match="on purpose"):
        model.predict(tf.zeros((4, 5)))
    assert state(net) == before
    assert not any("call" in vars(layer) for layer in net._flatten_layers())


def test_a_model_that_was_never_called_is_built_and_no_more() -> None:
    net = Subclassed()
    wrap(net).sites(numbers(3, 5))
    assert net.built
    assert len(net.variables) == 4 + len(net.drop.variables)
    assert not any("call" in vars(layer) for layer in net._flatten_layers())
    assert net.losses == []


def test_assignments_of_modules_are_left_out() -> None:
    class Counting(tf.Module):
        def __init__(self) -> None:
            super().__init__()
            self.calls = tf.Variable(0)

        @tf.function
        def __call__(self, x: Any) -> Any:
            self.calls.assign_add(1)
            tf.debugging.assert_less(x, 100.0)
            return x * 2

    net, x = Counting(), np.ones((2, 3), "float32")
    model = wrap(net)
    model.gradient(x, bound(model, x, 0))
    assert net.calls.numpy() == 0
    net(tf.constant(x))
    assert net.calls.numpy() == 1


def test_inputs_are_not_written_to_nor_aliased() -> None:
    model = wrap(convolutional())
    x = numbers(2, 8, 8, 2)
    before = x.copy()
    native = model.asarray(x)
    x[:] = 0
    np.testing.assert_array_equal(host(native), before)
    model.gradient(native, bound(model, native, 0))
    np.testing.assert_array_equal(host(native), before)
    out = model.to_numpy(native)
    out[:] = 7
    np.testing.assert_array_equal(host(native), before)


def test_threads_share_one_model() -> None:
    net = convolutional()
    net(numbers(1, 8, 8, 2))
    model = wrap(net)
    before = state(net)
    points = [numbers(2, 8, 8, 2, seed=seed) for seed in range(4)]
    expected = [host(net(x)) for x in points]
    wrong: list[object] = []
    start = threading.Barrier(8)

    def work(number: int) -> None:
        x = points[number % 4]
        try:
            start.wait()
            for _ in range(3):
                # The user's own calls go on beside the traces.
                np.testing.assert_allclose(host(net(x)), expected[number % 4], rtol=1e-10)
                score = bound(model, x, number % 3)
                at = ("conv", "norm", None)[number % 3]
                found = model.gradient(x, score, at=at)
                np.testing.assert_allclose(
                    host(found.score), expected[number % 4][:, number % 3], rtol=1e-10
                )
        except BaseException as error:
            wrong.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong, wrong
    assert state(net) == before


class Waiting(layers.Layer):
    """A layer that stays in its call until it is let go."""

    def __init__(self) -> None:
        super().__init__(name="waiting", dtype=F64)
        self.entered, self.released = threading.Event(), threading.Event()

    def call(self, inputs: Any) -> Any:
        self.entered.set()
        assert self.released.wait(60)
        return inputs * 2


class Interrupted(keras.Model):
    """A model whose layer is used by another thread just while the model is traced."""

    def __init__(self) -> None:
        super().__init__(dtype=F64)
        self.waiting, self.inner = Waiting(), layers.Dense(3, name="inner", dtype=F64)

    def call(self, inputs: Any) -> Any:
        user = threading.Thread(target=lambda: self.waiting(np.zeros((1, 3))))
        user.start()
        assert self.waiting.entered.wait(60)
        result = self.inner(inputs)
        self.waiting.released.set()
        user.join()
        return result


def test_calls_of_other_threads_are_not_recorded() -> None:
    net, x = Interrupted(), numbers(2, 3)
    net(x)
    net.waiting.entered.clear()
    net.waiting.released.clear()
    assert [site.name for site in wrap(net).sites(x)] == ["inner"]


def test_a_net_that_can_be_traced_once_only() -> None:
    """It is compared with no other trace of itself."""
    weight, traced = numbers(4, 3), [0]

    def net(x: tf.Tensor) -> tf.Tensor:
        traced[0] += 1
        assert traced[0] == 1
        return x @ weight

    found = Gradient()(net, tf.constant(numbers(6, 4)), 1)
    np.testing.assert_array_equal(found.values, np.tile(weight[:, 1], (6, 1)))
    assert (found.warnings, traced) == ((), [2])
