"""Logits of nets that end in a softmax or in sigmoids, as of the same nets without, on each framework."""

from typing import Any

import jax
import numpy as np
import pytest
import tensorflow as tf
import torch
from numpy.typing import NDArray

import backlight
from backlight import Class, Kind, Logit, LogProbability, Margin, Probability
from backlight_methods import LRP

RNG = np.random.default_rng(3)
WEIGHTS = [RNG.normal(size=size).astype(np.float32) for size in ((6, 8), (8, 8), (8, 4))]
X = RNG.normal(size=(3, 6)).astype(np.float32)

METHODS = (
    "gradient",
    "integrated_gradients",
    "guided_backprop",
    "deconvnet",
    "deep_lift",
    "lrp",
    "occlusion",
)

FRAMEWORKS: dict[str, tuple[Any, Any, Any]] = {
    "torch": (torch.tensor, torch.relu, {"softmax": lambda z: z.softmax(1), "sigmoid": torch.sigmoid,
                                         "log_softmax": lambda z: z.log_softmax(1)}),
    "tensorflow": (tf.constant, tf.nn.relu, {"softmax": tf.nn.softmax, "sigmoid": tf.nn.sigmoid,
                                             "log_softmax": tf.nn.log_softmax}),
    "jax": (np.asarray, jax.nn.relu, {"softmax": jax.nn.softmax, "sigmoid": jax.nn.sigmoid,
                                      "log_softmax": jax.nn.log_softmax}),
}  # fmt: skip


def net(framework: str, ending: str | None, centred: bool = False) -> backlight.Model:
    """The net with this ending; `centred` takes the mean away from its last weights."""
    make, relu, endings = FRAMEWORKS[framework]
    last = WEIGHTS[2] - WEIGHTS[2].mean(1, keepdims=True) if centred else WEIGHTS[2]
    a, b, c = (make(weight) for weight in (*WEIGHTS[:2], last))

    def run(x: Any) -> Any:
        z = relu(relu(x @ a) @ b) @ c
        return endings[ending](z) if ending else z

    return backlight.wrap(run, framework)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_the_softmax_leaves_no_trace(framework: str, method: str) -> None:
    wanted = values(net(framework, None, centred=True), 2, method)
    for ending in ("softmax", "log_softmax"):
        found = values(net(framework, ending), Logit(2), method)
        np.testing.assert_allclose(found, wanted, rtol=2e-5, atol=2e-5 * np.abs(wanted).max())


@pytest.mark.parametrize("method", ["deep_lift", "lrp"])
@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_neither_do_sigmoids(framework: str, method: str) -> None:
    wanted = backlight.explain(net(framework, None), X, 2, method)
    found = backlight.explain(net(framework, "sigmoid"), X, Logit(2), method)
    # 1 - p has few digits in float32 where p is near 1.
    np.testing.assert_allclose(found.score, wanted.score, rtol=1e-3)
    np.testing.assert_allclose(found.numpy(), wanted.numpy(), rtol=5e-3, atol=1e-4)


@pytest.mark.parametrize("ending", ["softmax", "log_softmax", "sigmoid"])
@pytest.mark.parametrize("score", [Logit(1), LogProbability(1), Probability(1)])
def test_lrp_of_each_score_is_the_same_on_each_framework(ending: str, score: Any) -> None:
    one, *others = (values(net(framework, ending), score, "lrp") for framework in FRAMEWORKS)
    for other in others:
        np.testing.assert_allclose(other, one, rtol=5e-3, atol=1e-4 * np.abs(one).max())


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_sigmoid_that_is_read_elsewhere_is_not_undone(framework: str) -> None:
    """A gate by p beside its logit: LRP treats the sigmoid as it does one without logarithms."""
    make, relu, endings = FRAMEWORKS[framework]
    a, c = make(WEIGHTS[0]), make(WEIGHTS[2])
    logarithm = {"torch": torch.log, "tensorflow": tf.math.log, "jax": jax.numpy.log}[framework]

    def run(x: Any) -> Any:
        p = endings["sigmoid"](relu(x @ a) @ c)
        return logarithm(p) - logarithm(1 - p) + p

    model = backlight.wrap(run, framework)
    assert not undone_sigmoids(model, Class(1))


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_one_logarithm_alone_does_not_undo_a_sigmoid(framework: str) -> None:
    """log p is no logit; log p - log (1 - p) is."""
    model = net(framework, "sigmoid")
    assert not undone_sigmoids(model, LogProbability(1))
    assert undone_sigmoids(model, Logit(1))


def undone_sigmoids(model: backlight.Model, target: Any) -> list[backlight.Operation]:
    score = target.bind(model.outputs(X), len(X))
    found = model.operations(model.prepare(X), score=score, rules=LRP().rules)
    return [one for one in found if one.undone and one.kind is Kind.SIGMOID]


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_margin_between_classes_of_which_one_is_ruled_out(framework: str) -> None:
    """Its probability is 0 in float32: the derivative of its logarithm must reach no other class."""
    make, _, endings = FRAMEWORKS[framework]
    weight = make(np.array([[3, 0, -200], [0, 2, -200]], dtype=np.float32))
    sure = backlight.wrap(lambda x: endings["softmax"](x @ weight), framework)
    found = backlight.explain(sure, np.ones((2, 2), np.float32), Margin(0, versus=1), "gradient")
    np.testing.assert_allclose(found.score, [1, 1], rtol=1e-5)
    np.testing.assert_allclose(found.numpy(), [[3, -2]] * 2, rtol=1e-5)


def values(model: backlight.Model, target: Any, method: str) -> NDArray[np.float32]:
    found = backlight.explain(model, X, target, method).numpy()
    assert isinstance(found, np.ndarray)
    return found
