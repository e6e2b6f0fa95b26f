"""The TensorFlow and Keras backend: outputs."""

from collections.abc import Callable
from typing import Any, cast

# First, because torch and TensorFlow bring clashing libraries and only this order loads.
import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import backlight
from backlight.model.model import Model
from backlight.scores.scores import Output
from backlight.values.outputs import OutputSpec
from tests.backends.tensorflow.model.nets import Module, bound, host, numbers, wrap


def ends(last: Callable[[Any], Any]) -> Model:
    return wrap(lambda x: last(tf.matmul(x, tf.ones((4, 3)))), framework="tensorflow")


@pytest.mark.parametrize(
    ("last", "kind"),
    [
        (lambda x: x, "logits"),
        (tf.nn.relu, "logits"),
        (tf.nn.softmax, "probabilities"),
        (tf.nn.log_softmax, "log_probabilities"),
        (tf.function(tf.function(tf.nn.softmax)), "probabilities"),
        (
            lambda x: tf.stop_gradient(tf.cast(tf.identity(tf.nn.softmax(x)), tf.float64)),
            "probabilities",
        ),
        (lambda x: tf.nn.softmax(x) * 2, "logits"),
        (lambda x: tf.nn.softmax(x, axis=0), "logits"),
        (lambda x: tf.nn.softmax(x[:, :, None], axis=1), "probabilities"),
        (lambda x: tf.nn.softmax(x[:, :, None], axis=2), "logits"),
        (lambda x: tf.exp(tf.nn.log_softmax(x)), "probabilities"),
        (tf.sigmoid, "sigmoid"),
        (lambda x: tf.stop_gradient(tf.cast(tf.identity(tf.sigmoid(x)), tf.float64)), "sigmoid"),
        (lambda x: tf.transpose(tf.sigmoid(tf.transpose(x))), "sigmoid"),
        (lambda x: tf.sigmoid(x) * 2, "logits"),
        (lambda x: tf.sigmoid(x)[:, 0], "sigmoid"),
        (lambda x: tf.reshape(tf.squeeze(tf.sigmoid(x[:, :1]), 1), [-1]), "sigmoid"),
        (lambda x: tf.reduce_mean(tf.sigmoid(x), axis=1), "logits"),
        (lambda x: tf.grad_pass_through(tf.nn.softmax)(x), "probabilities"),
    ],
)
def test_kinds_of_outputs(last: Callable[[Any], Any], kind: str) -> None:
    found = ends(last).outputs(np.zeros((2, 4), "float32"))
    assert isinstance(found, OutputSpec)
    assert found.kind == kind


@pytest.mark.parametrize("style", ["activation", "layer", "dropout", "nested"])
def test_kinds_of_keras_outputs(style: str) -> None:
    end: list[Any] = {
        "activation": [layers.Dense(3, activation="softmax")],
        "layer": [layers.Dense(3), layers.Softmax()],
        "dropout": [layers.Dense(3, activation="softmax"), layers.Dropout(0.5)],
        "nested": [keras.Sequential([layers.Dense(3, activation="softmax")])],
    }[style]
    net = keras.Sequential([keras.Input((4,)), *end])
    x = np.zeros((2, 4), "float32")
    assert wrap(net).outputs(x) == OutputSpec((2, 3), "probabilities")
    assert wrap(net, outputs="logits").outputs(x) == OutputSpec((2, 3), "logits")


def test_outputs_that_are_no_tensors() -> None:
    weights, x = numbers(4, 3), numbers(2, 4)

    def net(values: Any) -> Any:
        return {"logits": tf.matmul(values, weights), "loss": None, "more": (None, values)}

    model = wrap(net, framework="tensorflow")
    given = tf.constant(x)
    assert model.outputs(given) == {
        "logits": OutputSpec((2, 3)),
        "loss": (),
        "more": ((), OutputSpec((2, 4))),
    }
    assert cast(Any, model.predict(given))["loss"] is None
    found = model.gradient(given, bound(model, given, Output("logits", index=1)))
    np.testing.assert_allclose(host(found.gradient), np.tile(weights[:, 1], (2, 1)))

    def ragged(values: Any) -> Any:
        return tf.matmul(values, weights), tf.RaggedTensor.from_tensor(values)

    model = wrap(ragged, framework="tensorflow")
    assert model.outputs(given) == (OutputSpec((2, 3)), ())
    np.testing.assert_allclose(cast(Any, model.predict(given))[1].to_tensor().numpy(), x)
    found = model.gradient(given, bound(model, given, Output(0, index=1)))
    np.testing.assert_allclose(host(found.gradient), np.tile(weights[:, 1], (2, 1)))


def test_a_technique_runs_through_the_front_door() -> None:
    from dataclasses import dataclass

    from backlight.explaining.method import Method, Result
    from backlight.explaining.objective import Objective

    @dataclass(frozen=True, kw_only=True)
    class Plain(Method):
        def attribute(self, objective: Objective) -> Result:
            found = objective.gradient()
            return Result(found.gradient, found.score)

    x = numbers(5, 5)
    module = Module()
    result = Plain()(module, x, 2, batch_size=2)
    np.testing.assert_allclose(cast(Any, result.values), module.jacobian(x, 2), rtol=1e-12)


def test_sigmoids_are_independent_probabilities() -> None:
    x = np.random.default_rng(0).normal(size=(5, 6))
    net = keras.Sequential(
        [keras.layers.Input((6,)), keras.layers.Dense(4, activation="sigmoid", dtype="float64")]
    )
    p = np.asarray(net(x))
    logits = np.log(p / (1 - p))
    for target, expected in (
        (backlight.Probability(2), p[:, 2]),
        (backlight.LogProbability(2), np.log(p[:, 2])),
        (backlight.Margin(2, versus=0), logits[:, 2] - logits[:, 0]),
    ):
        score = backlight.explain(net, x, target, "gradient").score
        np.testing.assert_allclose(score, expected, rtol=1e-6, atol=1e-7)


def test_what_is_no_tensor_among_the_outputs_is_passed_over() -> None:
    class Labelled(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.dense = keras.layers.Dense(3)

        def call(self, x: Any) -> Any:
            return {"logits": self.dense(x), "loss": None}

    net, x = Labelled(), np.ones((2, 6), dtype="float32")
    target = backlight.Output("logits", index=1)
    found = backlight.explain(net, x, target, "gradient")
    np.testing.assert_allclose(found.score, np.asarray(net(x)["logits"])[:, 1], rtol=1e-6)
