"""Several targets in one call, on each framework, as if each were alone."""

from typing import Any

import torch  # isort: skip  (before TensorFlow: the other order does not load)
import jax
import mlx.core as mx
import numpy as np
import pytest
import tensorflow as tf

import backlight
from backlight import Class, Logit, Margin, Top
from tests.parity.test_logits import FRAMEWORKS, WEIGHTS, X, net

A, B = [0, 1, 2], [3, 3, 0]
SCORES: dict[str, tuple[Any, ...]] = {
    "logits": (Class(A), Class(B), Margin(A, versus=B)),
    "of a softmax": (Logit(A), Logit(B), Margin(A, versus=B)),
}


@pytest.mark.parametrize(
    "method",
    [
        "occlusion",
        "deep_lift",
        "lrp",
        "guided_backprop",
        "gradient",
        "integrated_gradients",
        "expected_gradients",
    ],
)
@pytest.mark.parametrize("scores", SCORES)
@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_each_is_explained_as_if_it_were_alone(framework: str, scores: str, method: str) -> None:
    model = net(framework, None if scores == "logits" else "softmax")
    for found, target in zip(
        backlight.explain(model, X, SCORES[scores], method), SCORES[scores], strict=True
    ):
        alone = backlight.explain(model, X, target, method)
        wanted = alone.numpy()
        np.testing.assert_allclose(
            found.numpy(), wanted, rtol=1e-4, atol=1e-5 * np.abs(wanted).max()
        )
        np.testing.assert_allclose(found.score, alone.score, rtol=1e-5, atol=1e-6)
        assert found.target == alone.target


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_the_most_probable_classes(framework: str) -> None:
    model = net(framework, "softmax")
    order = np.argsort(-np.asarray(model.predict(model.prepare(X))), axis=1)
    for place, found in enumerate(backlight.explain(model, X, Top(4), "occlusion", batch_size=2)):
        np.testing.assert_array_equal(found.classes, order[:, place])


NETS = {
    **{framework: lambda framework=framework: net(framework, None) for framework in FRAMEWORKS},
    "mlx": lambda: backlight.wrap(mlx_net, "mlx"),
}


def mlx_net(x: mx.array) -> mx.array:
    a, b, c = map(mx.array, WEIGHTS)
    return mx.maximum(mx.maximum(x @ a, 0) @ b, 0) @ c


@pytest.mark.parametrize("at", [None, "site"])
@pytest.mark.parametrize("framework", NETS)
def test_gradients_of_several_scores_are_those_of_each(framework: str, at: str | None) -> None:
    model = NETS[framework]()
    inputs = model.prepare(X)
    outputs = model.outputs(inputs)
    scores = [score.bind(outputs, len(X)) for score in (Class(A), Logit(B), Class([0, 1, 2]))]
    if at is not None:
        if not model.sites(inputs):  # torch functions have no sites
            model = backlight.wrap(
                torch.nn.Sequential(torch.nn.Linear(6, 5), torch.nn.Tanh(), torch.nn.Linear(5, 4))
            )
            inputs = model.prepare(X)
        at = model.sites(inputs)[0].name
    for found, score in zip(model.gradients(inputs, scores, sites=[at]), scores, strict=True):
        alone = model.gradient(inputs, score, at=at)
        for one, other in (
            (found.score, alone.score),
            (found.value, alone.value),
            (found.gradient, alone.gradient),
        ):
            np.testing.assert_allclose(
                model.to_numpy(one), model.to_numpy(other), rtol=1e-5, atol=1e-7
            )


def counting(framework: str, runs: list[int]) -> backlight.Model:
    """A net that counts how often it runs."""
    a = WEIGHTS[0]
    if framework == "torch":
        linear = torch.nn.Linear(6, 8)
        linear.register_forward_hook(lambda module, inputs, output: runs.append(1))
        return backlight.wrap(linear)

    def in_jax(x: jax.Array) -> jax.Array:
        jax.debug.callback(lambda: runs.append(1))
        return jax.numpy.tanh(x @ a)

    def in_tensorflow(x: tf.Tensor) -> tf.Tensor:
        seen = tf.numpy_function(lambda rows: (runs.append(1), rows)[1], [tf.shape(x)[0]], tf.int32)
        return tf.tanh(x @ a) + 0 * tf.cast(tf.reshape(seen, []), x.dtype)

    return backlight.wrap(in_jax if framework == "jax" else in_tensorflow, framework)


@pytest.mark.parametrize("framework", ["torch", "tensorflow", "jax"])
def test_a_net_runs_forward_once_for_the_gradients_of_several_scores(framework: str) -> None:
    runs: list[int] = []
    model = counting(framework, runs)
    inputs = model.prepare(X)
    outputs = model.outputs(inputs)
    scores = [Class(k).bind(outputs, len(X)) for k in range(3)]
    for _ in range(2):  # at first it is looked at as well
        runs.clear()
        model.to_numpy(model.gradients(inputs, scores)[0].score)
        jax.effects_barrier()
    assert model.keeps_forward
    assert len(runs) == 1
