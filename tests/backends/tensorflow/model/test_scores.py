"""The TensorFlow and Keras backend: scores."""

from typing import Any

# First, because torch and TensorFlow bring clashing libraries and only this order loads.
import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from backlight.scores.class_scores import LogProbability, Margin, Probability
from backlight.scores.scores import Output
from backlight.values.arrays import Arrays
from backlight.values.outputs import OutputSpec
from tests.backends.tensorflow.model.nets import F64, Values, bound, central, host, numbers, wrap


@pytest.mark.parametrize(
    "target", [1, Probability(1), LogProbability(2), Margin(0, versus=[1, 2, 1]), Output(index=-1)]
)
@pytest.mark.parametrize("ending", ["softmax", None])
def test_scores_against_differences(target: Any, ending: str | None) -> None:
    if isinstance(target, Output):
        target = Output(index=2)
    net = keras.Sequential([keras.Input((4,), dtype=F64), layers.Dense(3, ending, dtype=F64)])
    kernel, x = net.get_weights()[0], numbers(3, 4)
    model = wrap(net)

    def scores(points: Values) -> Values:
        logits = points @ kernel
        odds = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
        output, rows = odds if ending else logits, len(points)
        name = repr(target)
        if name.startswith("Prob"):
            return np.asarray(odds[:, 1])
        if name.startswith("Log"):
            return np.asarray(np.log(odds[:, 2]))
        if name.startswith("Margin"):
            return np.asarray(logits[:, 0] - logits[range(rows), np.resize([1, 2, 1], rows)])
        return np.asarray(output[:, 2] if name.startswith("Output") else output[:, 1])

    score = bound(model, x, target)
    found = model.gradient(x, score)
    np.testing.assert_allclose(host(found.score), scores(x), rtol=1e-10)
    np.testing.assert_allclose(host(model.score(x, score)), scores(x), rtol=1e-10)
    np.testing.assert_allclose(host(found.gradient), central(scores, x), rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("target", [Probability(1), LogProbability([2, 0, 3]), Margin(0, versus=3)])
def test_scores_of_independent_labels(target: Any) -> None:
    net = keras.Sequential([keras.Input((5,), dtype=F64), layers.Dense(4, dtype=F64)])
    net.layers[-1].activation = keras.activations.sigmoid
    kernel, x = net.get_weights()[0], numbers(3, 5)
    model, logits = wrap(net), x @ kernel
    assert model.outputs(x) == OutputSpec((3, 4), "sigmoid")
    p = 1 / (1 + np.exp(-logits))
    name, rows = repr(target), range(3)
    if name.startswith("Prob"):
        scores, slopes = p[:, 1], (p * (1 - p))[:, 1, None] * kernel[:, 1]
    elif name.startswith("Log"):
        k = [2, 0, 3]
        scores, slopes = np.log(p[rows, k]), (1 - p[rows, k])[:, None] * kernel[:, k].T
    else:
        scores = logits[:, 0] - logits[:, 3]
        slopes = np.tile(kernel[:, 0] - kernel[:, 3], (3, 1))
    found = model.gradient(x, bound(model, x, target))
    np.testing.assert_allclose(host(found.score), scores, rtol=1e-10)
    np.testing.assert_allclose(host(found.gradient), slopes, rtol=1e-9)


def test_score_functions_and_scalar_outputs() -> None:
    net = keras.Sequential([keras.Input((4,), dtype=F64), layers.Dense(1, dtype=F64)])
    points, kernel = numbers(3, 4), net.get_weights()[0]
    x = tf.constant(points)
    model = wrap(lambda values: net(values)[:, 0], framework="tensorflow")
    assert model.outputs(x) == OutputSpec((3,))

    def squared(outputs: Any, arrays: Arrays) -> Any:
        return arrays.sum(outputs[:, None] * outputs[:, None], axis=1)

    expected = 2 * (points @ kernel) * kernel.T
    np.testing.assert_allclose(
        host(model.gradient(x, bound(model, x, squared)).gradient), expected, rtol=1e-12
    )
    np.testing.assert_allclose(
        host(model.gradient(x, bound(model, x, 0)).gradient), np.tile(kernel.T, (3, 1))
    )


def test_regions_of_dense_outputs() -> None:
    net = keras.Sequential([keras.Input((6, 6, 2), dtype=F64), layers.Conv2D(3, 1, dtype=F64)])
    kernel, x = net.get_weights()[0][0, 0], numbers(2, 6, 6, 2)
    model = wrap(net)
    score = bound(model, x, Output(index=(slice(1, 3), 4, 2)))
    expected = np.zeros_like(x)
    expected[:, 1:3, 4] = kernel[:, 2]
    np.testing.assert_allclose(host(model.gradient(x, score).gradient), expected)
