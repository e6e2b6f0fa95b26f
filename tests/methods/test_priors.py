"""Training with an attribution prior, against loops by hand; and what must hold while one trains."""

from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tensorflow as tf
import torch
from torch import nn

from backlight import explain
from backlight.errors import InputError, TargetError

pytestmark = pytest.mark.filterwarnings("ignore:.*gap:backlight.BacklightWarning")

DRAWN = np.random.default_rng(0)
FIRST, LAST = DRAWN.normal(size=(4, 5)), DRAWN.normal(size=(5, 3))
X, CLASSES = DRAWN.normal(size=(6, 4)), np.array([0, 1, 2, 0, 1, 2])
RATE, WEIGHT = 0.1, 2.0
ASKED: dict[str, Any] = {"method": "integrated_gradients", "steps": 2, "rule": "midpoint"}


@pytest.fixture(autouse=True)
def wide() -> Iterator[None]:
    with jax.enable_x64(True):
        yield


def torch_outputs(first: Any, last: Any, x: Any) -> Any:
    return torch.tanh(x @ first) @ last


def torch_step(first: Any, last: Any, by_hand: bool) -> tuple[list[Any], float]:
    x, chosen = torch.tensor(X), torch.tensor(CLASSES)
    weights = [torch.tensor(np.asarray(one), requires_grad=True) for one in (first, last)]

    def score(x: torch.Tensor) -> torch.Tensor:
        return torch_outputs(*weights, x).gather(1, chosen[:, None]).sum()

    if by_hand:
        points = [(x * a).requires_grad_() for a in (0.25, 0.75)]
        slopes = [torch.autograd.grad(score(p), p, create_graph=True)[0] for p in points]
        values = x * sum(slopes) / 2
    else:
        values = explain(
            lambda x: torch_outputs(*weights, x), x, chosen, differentiable=True, **ASKED
        ).values
    prior = values.abs().mean()
    loss = nn.functional.cross_entropy(torch_outputs(*weights, x), chosen) + WEIGHT * prior
    found = torch.autograd.grad(loss, weights)
    moved = [(w - RATE * g).detach().numpy() for w, g in zip(weights, found, strict=True)]
    return moved, prior.item()


def tensorflow_step(first: Any, last: Any, by_hand: bool) -> tuple[list[Any], float]:
    x, weights = tf.constant(X), [tf.Variable(first), tf.Variable(last)]

    def net(x: tf.Tensor) -> tf.Tensor:
        return tf.tanh(x @ weights[0]) @ weights[1]

    with tf.GradientTape() as tape:
        if by_hand:
            slopes = []
            for point in (x * 0.25, x * 0.75):
                with tf.GradientTape() as inner:
                    inner.watch(point)
                    score = tf.gather(net(point), CLASSES, batch_dims=1)
                slopes.append(inner.gradient(score, point))
            values = x * (slopes[0] + slopes[1]) / 2
        else:
            values = explain(net, x, CLASSES, differentiable=True, **ASKED).values
        prior = tf.reduce_mean(tf.abs(values))
        own = tf.nn.sparse_softmax_cross_entropy_with_logits(CLASSES, net(x))
        loss = tf.reduce_mean(own) + WEIGHT * prior
    found = tape.gradient(loss, weights)
    return [(w - RATE * g).numpy() for w, g in zip(weights, found, strict=True)], float(prior)


def jax_loss(weights: Any, x: Any, classes: Any, by_hand: bool = False) -> tuple[Any, Any]:
    def net(x: Any) -> Any:
        return jnp.tanh(x @ weights[0]) @ weights[1]

    def score(x: Any) -> Any:
        return jnp.take_along_axis(net(x), classes[:, None], axis=1).sum()

    if by_hand:
        values = x * (jax.grad(score)(0.25 * x) + jax.grad(score)(0.75 * x)) / 2
    else:
        values = explain(net, x, classes, differentiable=True, **ASKED).values
    prior = jnp.abs(values).mean()
    chosen = jnp.take_along_axis(jax.nn.log_softmax(net(x)), classes[:, None], axis=1)
    return WEIGHT * prior - chosen.mean(), prior


JAX_GRADIENT = jax.jit(jax.grad(jax_loss, has_aux=True), static_argnames="by_hand")


def jax_step(first: Any, last: Any, by_hand: bool) -> tuple[list[Any], float]:
    found, prior = JAX_GRADIENT((first, last), X, CLASSES, by_hand=by_hand)
    return [np.asarray(w - RATE * g) for w, g in zip((first, last), found, strict=True)], float(
        prior
    )


@pytest.mark.parametrize("step", [torch_step, tensorflow_step, jax_step])
def test_two_steps_with_a_prior_are_those_by_hand(step: Any) -> None:
    """In JAX inputs and labels are arguments of what is compiled, without numbers."""
    weights, judged, priors = [FIRST, LAST], [FIRST, LAST], []
    for _ in range(2):
        weights, prior = step(*weights, by_hand=False)
        judged, _ = step(*judged, by_hand=True)
        priors.append(prior)
    for found, expected, start in zip(weights, judged, (FIRST, LAST), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-9)
        assert np.abs(found - start).max() > 1e-3
    assert priors[1] < priors[0]


def test_nothing_that_jax_traces_outlives_the_function() -> None:
    with jax.checking_leaks():
        JAX_GRADIENT.clear_cache()
        JAX_GRADIENT((FIRST, LAST), X, CLASSES)


def test_a_net_in_training_is_explained_in_inference_mode_and_left_as_it_was() -> None:
    net = nn.Sequential(nn.Linear(4, 5), nn.Dropout(0.5), nn.Tanh(), nn.Linear(5, 3)).double()
    found = explain(net.train(), X, 1, "gradient", differentiable=True)
    assert net.training and net[1].training
    found.values.sum().backward()
    assert net[0].weight.grad.abs().sum() > 0
    plain = explain(net.eval(), X, 1, "gradient")
    np.testing.assert_array_equal(found.numpy(), plain.values)


def test_what_comes_before_the_net_learns_too() -> None:
    before = torch.tensor(X, requires_grad=True)
    found = explain(lambda x: torch.tanh(x) ** 2, before.sin(), 1, "gradient", differentiable=True)
    found.values.sum().backward()
    x = torch.tensor(X[:, 1], requires_grad=True)
    slope = torch.autograd.functional.hessian(lambda x: (torch.tanh(x) ** 2).sum(), x.sin())
    np.testing.assert_allclose(before.grad[:, 1], slope.diagonal() * x.cos().detach())


def test_attention_of_torch_is_differentiated_twice() -> None:
    net = nn.MultiheadAttention(4, 2, batch_first=True).double()
    x = torch.tensor(X)[None].requires_grad_()

    def values(x: torch.Tensor) -> torch.Tensor:
        asked = {"target": lambda outputs, _: outputs[0].sum((1, 2)), "method": "gradient"}
        return explain(
            lambda x: net(x, x, x, need_weights=False), x, differentiable=True, **asked
        ).values

    assert torch.autograd.gradcheck(values, (x,))


def test_labels_without_numbers_need_a_row_of_classes() -> None:
    def loss(x: Any, classes: Any) -> Any:
        return explain(lambda x: x.sum(1), x, classes, "gradient", differentiable=True).values.sum()

    with pytest.raises(TargetError, match="Let the net give the score itself"):
        jax.jit(loss)(X, CLASSES)


def test_numbers_that_are_not_known_yet_are_asked_for_in_vain() -> None:
    def loss(x: Any, **flag: bool) -> Any:
        return explain(lambda x: x**2, x, method="gradient", **flag).values.sum()

    with pytest.raises(InputError, match="not known yet"):
        jax.jit(lambda x: loss(x, differentiable=True))(X)  # the predicted class
    with pytest.raises(InputError, match="Say differentiable=True"):
        jax.jit(lambda x: loss(x))(X)
