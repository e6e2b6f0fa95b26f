"""Functions that few nets have, and that libraries compute in ways of their own."""

import warnings
from collections.abc import Callable, Iterator
from typing import Any

import torch  # isort: skip  (before TensorFlow: the other order does not load)
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special
import tensorflow as tf
from torch.nn import functional
from torch.nn.utils.rnn import pack_padded_sequence

import backlight
from backlight import Attribution, Method
from backlight_methods import LRP, DeepLIFT, Gradient
from tests.parity.measure import FRAMEWORKS

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(3, 5))
WEIGHT = RANDOM.uniform(0.1, 0.5, size=(5, 4))
ARRAY: dict[str, Callable[[Any], Any]] = {
    "torch": torch.from_numpy,
    "tensorflow": tf.constant,
    "jax": jnp.asarray,
}


@pytest.fixture(autouse=True)
def double() -> Iterator[None]:
    with jax.enable_x64(True):
        yield


def quietly(method: Method, net: Any, x: Any, target: Any = 1) -> Attribution:
    """A result of which nothing is said."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = method(net, x, target)
    backlight.forget()
    return found


INFINITE_AT_0 = {
    "lgamma": (scipy.special.gammaln, torch.lgamma, tf.math.lgamma, jax.lax.lgamma),
    "digamma": (scipy.special.digamma, torch.digamma, tf.math.digamma, jax.lax.digamma),
}


@pytest.mark.parametrize("function", INFINITE_AT_0)
@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_lrp_has_no_share_for_what_is_infinite_at_zero(framework: str, function: str) -> None:
    value, *own = INFINITE_AT_0[function]
    x, weight = np.abs(X), ARRAY[framework](WEIGHT)
    apply = dict(zip(FRAMEWORKS, own, strict=True))[framework]
    found = quietly(LRP(composite="epsilon"), lambda x: apply(x @ weight), ARRAY[framework](x))
    z = (x @ WEIGHT)[:, 1:2]
    np.testing.assert_allclose(np.asarray(found.values), value(z) * x * WEIGHT[:, 1] / z, rtol=1e-5)


def cosine(framework: str) -> Callable[[Any], Any]:
    """How alike a value and its mirror image are, times the value."""
    weight = ARRAY[framework](WEIGHT)
    if framework == "torch":

        def torch_net(x: torch.Tensor) -> torch.Tensor:
            z = x @ weight
            return z * functional.cosine_similarity(z, z.flip(1), dim=1)[:, None]

        return torch_net
    if framework == "tensorflow":

        def tensorflow_net(x: tf.Tensor) -> tf.Tensor:
            z = x @ weight
            size = tf.maximum(tf.norm(z, axis=1, keepdims=True), 1e-8)
            like = z / size * (tf.reverse(z, [1]) / size)
            return z * tf.reduce_sum(like, 1, keepdims=True)

        return tensorflow_net

    def jax_net(x: jax.Array) -> jax.Array:
        z = x @ weight
        size = jnp.maximum(jnp.linalg.norm(z, axis=1, keepdims=True), 1e-8)
        return z * (z / size * (z[:, ::-1] / size)).sum(1, keepdims=True)

    return jax_net


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_deep_lift_is_complete_at_a_cosine(framework: str) -> None:
    """PyTorch's own keeps a size from 0 with gradients off."""
    found = quietly(DeepLIFT(baseline=0.5), cosine(framework), ARRAY[framework](X))
    own = np.asarray(found.score) - np.asarray(found.baseline_score)
    np.testing.assert_allclose(np.asarray(found.values).sum(1), own, rtol=1e-9)
    z, start = X @ WEIGHT, np.full((1, 5), 0.5) @ WEIGHT
    score, before = (v[:, 1] * (v * v[:, ::-1]).sum(1) / (v * v).sum(1) for v in (z, start))
    np.testing.assert_allclose(own, score - before, rtol=1e-9)


@pytest.mark.parametrize("method", [Gradient(), DeepLIFT(), LRP(composite="epsilon")], ids=repr)
def test_packed_sequences_are_explained_as_those_of_their_length(method: Method) -> None:
    torch.manual_seed(0)
    gru = torch.nn.GRU(5, 3, batch_first=True).double()
    x, lengths = torch.from_numpy(RANDOM.normal(size=(3, 4, 5))), torch.tensor([4, 2, 3])

    def packed(x: torch.Tensor) -> torch.Tensor:
        rows = pack_padded_sequence(x, lengths[: len(x)], batch_first=True, enforce_sorted=False)
        return gru(rows)[1][0]

    found = quietly(method, packed, x)
    for row, length in enumerate(lengths):
        one = quietly(method, lambda x: gru(x)[1][0], x[row : row + 1, :length])
        np.testing.assert_allclose(found.values[row, :length], one.values[0], rtol=1e-9)
        assert not found.values[row, length:].any()


def test_what_is_only_checked_is_no_way_of_the_gradient() -> None:
    """Inverting a matrix asks whether it went well."""
    found = quietly(
        Gradient(),
        lambda x: torch.linalg.inv(torch.eye(2) * 4 + x.reshape(-1, 2, 2)).sum((1, 2)),
        torch.from_numpy(X[:, :4]),
        None,
    )
    assert found.values.any()
