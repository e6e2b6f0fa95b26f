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
from backlight import Attribution, BacklightWarning, Method
from backlight_methods import LRP, DeepLIFT, Gradient, GuidedBackprop
from tests.parity.measure import FRAMEWORKS

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(3, 5))
WEIGHT = RANDOM.uniform(0.1, 0.5, size=(5, 4))
SQUARE, HEAD = RANDOM.uniform(-0.2, 1, size=(4, 4)), RANDOM.uniform(0.1, 1, size=(4, 3))
MANY = np.abs(RANDOM.normal(size=(3, 5)))
SEQUENCE = RANDOM.normal(size=(1, 1, 3, 5))
BACKWARD = (DeepLIFT(), LRP(composite="epsilon"), GuidedBackprop())
ARRAY: dict[str, Callable[[Any], Any]] = {
    "torch": torch.from_numpy,
    "tensorflow": tf.constant,
    "jax": jnp.asarray,
}


@pytest.fixture(autouse=True)
def double() -> Iterator[None]:
    with jax.enable_x64(True):
        yield


def quietly(method: Method, net: Any, x: Any, target: Any = 1, packed: bool = False) -> Attribution:
    """A result of which nothing is said."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        if (
            packed
        ):  # which lays rows out beside each other: the batch is run whole then, and that is said
            warnings.filterwarnings("ignore", "Rows of the batch look at each other, at aten._pack")
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

    found = quietly(method, packed, x, packed=True)
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


def unit_length(framework: str) -> Callable[[Any], Any]:
    """As `keras.ops.normalize` does it: one over a size, with a bound."""
    weight = ARRAY[framework](WEIGHT)
    if framework == "torch":

        def torch_net(x: torch.Tensor) -> torch.Tensor:
            z = x @ weight
            return z * z.square().sum(1, keepdim=True).rsqrt().clamp(max=1e7)

        return torch_net
    if framework == "tensorflow":

        def tensorflow_net(x: tf.Tensor) -> tf.Tensor:
            z = x @ weight
            size = tf.reduce_sum(tf.square(z), 1, keepdims=True)
            return z * tf.minimum(tf.math.rsqrt(size), 1e7)

        return tensorflow_net

    def jax_net(x: jax.Array) -> jax.Array:
        z = x @ weight
        return z * jnp.minimum(1 / jnp.sqrt((z * z).sum(1, keepdims=True)), 1e7)

    return jax_net


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_deep_lift_is_complete_where_a_bound_keeps_one_over_nothing_finite(framework: str) -> None:
    found = quietly(DeepLIFT(), unit_length(framework), ARRAY[framework](X))
    z = X @ WEIGHT
    length = np.sqrt((z * z).sum(1))
    np.testing.assert_allclose(np.asarray(found.values).sum(1), z[:, 1] / length, rtol=1e-9)
    # As a quotient with next to nothing below at the baseline has it: no share is out of proportion.
    assert np.abs(np.asarray(found.values)).max() < 10


def narrowed(framework: str) -> Callable[[Any], Any]:
    """Two rectifiers, and a product in fewer digits between them."""
    weight, head = ARRAY[framework](WEIGHT - 0.3), ARRAY[framework](HEAD)
    square = ARRAY[framework](SQUARE.astype("float32"))
    if framework == "torch":
        return lambda x: ((x @ weight).relu().float() @ square).double().relu() @ head
    if framework == "tensorflow":

        def tensorflow_net(x: tf.Tensor) -> tf.Tensor:
            few = tf.cast(tf.nn.relu(x @ weight), tf.float32) @ square
            return tf.nn.relu(tf.cast(few, tf.float64)) @ head

        return tensorflow_net
    relu = jax.nn.relu
    return lambda x: relu((relu(x @ weight).astype("float32") @ square).astype("float64")) @ head


@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize("method", BACKWARD, ids=lambda one: type(one).__name__)
def test_rules_act_behind_a_change_of_width(framework: str, method: Method) -> None:
    found = quietly(method, narrowed(framework), ARRAY[framework](MANY))
    weight, square, head = map(torch.from_numpy, (WEIGHT - 0.3, SQUARE, HEAD))
    wide = quietly(
        method, lambda x: ((x @ weight).relu() @ square).relu() @ head, torch.from_numpy(MANY)
    )
    assert wide.values.any()
    np.testing.assert_allclose(np.asarray(found.values), wide.values, rtol=1e-4, atol=1e-6)


def test_attention_without_dropout_draws_nothing() -> None:
    """Also where no operand of it depends on what is explained."""
    token = torch.from_numpy(SEQUENCE)

    def net(x: torch.Tensor) -> torch.Tensor:
        own = functional.scaled_dot_product_attention(token, token, token, dropout_p=0.0)
        return x * (1 + own[0, 0, :1])

    assert quietly(Gradient(), net, torch.from_numpy(X)).values.any()


def test_attention_with_dropout_draws() -> None:
    token = torch.from_numpy(SEQUENCE)

    def net(x: torch.Tensor) -> torch.Tensor:
        own = functional.scaled_dot_product_attention(token, token, token, dropout_p=0.5)
        return x * (1 + own[0, 0, :1])

    with pytest.warns(BacklightWarning, match="random"):
        Gradient()(net, torch.from_numpy(X), 1)
    backlight.forget()
