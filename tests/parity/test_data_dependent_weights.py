"""Weights that the input chooses: DeepLIFT is complete there, or says which operation it is not."""

import re
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import torch  # isort: skip  (before TensorFlow: the other order does not load)
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tensorflow as tf

import backlight
from backlight import BacklightError, BacklightWarning
from backlight.errors import CoverageError
from backlight_methods import LRP, DeepLIFT, Gradient
from tests.parity.measure import FRAMEWORKS

N, C, E, K = 5, 6, 4, 3
RANDOM = np.random.default_rng(3)
X = 2 * RANDOM.normal(size=(N, C))
GATE = RANDOM.normal(size=(C, E))
EXPERTS = RANDOM.normal(size=(E, C, K))
BIASES = RANDOM.normal(size=(E, K))
BASELINE = RANDOM.normal(size=(C,))

Net = Callable[[Any], Any]


@pytest.fixture(autouse=True)
def double() -> Iterator[None]:
    with jax.enable_x64(True):
        yield


def torch_nets() -> dict[str, Net]:
    gate, experts, biases = map(torch.from_numpy, (GATE, EXPERTS, BIASES))

    def first(z: torch.Tensor) -> torch.Tensor:
        return torch.einsum("nc,nck->nk", z, experts[(z @ gate).argmax(1)])

    def one_hot(z: torch.Tensor) -> torch.Tensor:
        chosen = torch.nn.functional.one_hot((z @ gate).argmax(1), E).double()
        return (chosen[:, :, None] * torch.einsum("nc,eck->nek", z, experts)).sum(1)

    def mixture(z: torch.Tensor, count: int) -> torch.Tensor:
        weights, chosen = (z @ gate).softmax(1).topk(count)
        weights = weights / weights.sum(1, keepdim=True) if count > 1 else weights
        each = torch.relu(torch.einsum("nc,nmck->nmk", z, experts[chosen]) + biases[chosen])
        return (weights[:, :, None] * each).sum(1)

    def computed_first(z: torch.Tensor) -> torch.Tensor:
        every = torch.einsum("nc,eck->nek", z, experts)
        chosen = (z @ gate).argmax(1)[:, None, None].expand(-1, 1, K)
        return every.gather(1, chosen)[:, 0]

    return {
        "gather": first,
        "one_hot": one_hot,
        "top_1": lambda z: mixture(z, 1),
        "top_2": lambda z: mixture(z, 2),
        "computed_first": computed_first,
        "bias_of_the_chosen": lambda z: z @ experts[0] + biases[(z @ gate).argmax(1)],
        "minus_the_chosen": lambda z: (
            torch.nn.functional.one_hot((z @ gate).argmax(1), E).double() @ biases - z @ experts[0]
        ),
    }


def tensorflow_nets() -> dict[str, Net]:
    gate, experts, biases = map(tf.constant, (GATE, EXPERTS, BIASES))

    def first(z: tf.Tensor) -> tf.Tensor:
        return tf.einsum("nc,nck->nk", z, tf.gather(experts, tf.argmax(z @ gate, 1)))

    def one_hot(z: tf.Tensor) -> tf.Tensor:
        chosen = tf.one_hot(tf.argmax(z @ gate, 1), E, dtype=z.dtype)
        return tf.reduce_sum(chosen[:, :, None] * tf.einsum("nc,eck->nek", z, experts), 1)

    def mixture(z: tf.Tensor, count: int) -> tf.Tensor:
        weights, chosen = tf.math.top_k(tf.nn.softmax(z @ gate), count)
        weights = weights / tf.reduce_sum(weights, 1, keepdims=True) if count > 1 else weights
        each = tf.einsum("nc,nmck->nmk", z, tf.gather(experts, chosen)) + tf.gather(biases, chosen)
        return tf.reduce_sum(weights[:, :, None] * tf.nn.relu(each), 1)

    def computed_first(z: tf.Tensor) -> tf.Tensor:
        every = tf.einsum("nc,eck->nek", z, experts)
        return tf.gather(every, tf.argmax(z @ gate, 1), axis=1, batch_dims=1)

    return {
        "gather": first,
        "one_hot": one_hot,
        "top_1": lambda z: mixture(z, 1),
        "top_2": lambda z: mixture(z, 2),
        "computed_first": computed_first,
        "bias_of_the_chosen": lambda z: z @ experts[0] + tf.gather(biases, tf.argmax(z @ gate, 1)),
        "minus_the_chosen": lambda z: (
            tf.one_hot(tf.argmax(z @ gate, 1), E, dtype=z.dtype) @ biases - z @ experts[0]
        ),
    }


def jax_nets() -> dict[str, Net]:
    def first(z: Any) -> Any:
        return jnp.einsum("nc,nck->nk", z, jnp.asarray(EXPERTS)[(z @ GATE).argmax(1)])

    def one_hot(z: Any) -> Any:
        chosen = jax.nn.one_hot((z @ GATE).argmax(1), E)
        return (chosen[:, :, None] * jnp.einsum("nc,eck->nek", z, EXPERTS)).sum(1)

    def mixture(z: Any, count: int) -> Any:
        weights, chosen = jax.lax.top_k(jax.nn.softmax(z @ GATE), count)
        weights = weights / weights.sum(1, keepdims=True) if count > 1 else weights
        each = jnp.einsum("nc,nmck->nmk", z, jnp.asarray(EXPERTS)[chosen])
        return (weights[:, :, None] * jax.nn.relu(each + jnp.asarray(BIASES)[chosen])).sum(1)

    def computed_first(z: Any) -> Any:
        every = jnp.einsum("nc,eck->nek", z, EXPERTS)
        return jnp.take_along_axis(every, (z @ GATE).argmax(1)[:, None, None], axis=1)[:, 0]

    return {
        "gather": first,
        "one_hot": one_hot,
        "top_1": lambda z: mixture(z, 1),
        "top_2": lambda z: mixture(z, 2),
        "computed_first": computed_first,
        "bias_of_the_chosen": lambda z: z @ EXPERTS[0] + jnp.asarray(BIASES)[(z @ GATE).argmax(1)],
        "minus_the_chosen": lambda z: (
            jax.nn.one_hot((z @ GATE).argmax(1), E) @ BIASES - z @ EXPERTS[0]
        ),
    }


NETS = {"torch": torch_nets, "tensorflow": tensorflow_nets, "jax": jax_nets}
ARRAY = {"torch": torch.from_numpy, "tensorflow": tf.constant, "jax": jnp.asarray}
KINDS = (
    "gather",
    "one_hot",
    "top_1",
    "top_2",
    "computed_first",
    "bias_of_the_chosen",
    "minus_the_chosen",
)
NAMED = re.compile(
    r"cannot be run again|chosen by the input|gather|index|take_along|argmax|top_?k|one_?hot|\beq\b",
    re.IGNORECASE,
)
"""What an objection may call the operation at which the input chooses."""


@pytest.mark.parametrize("baseline", ["zero", "drawn"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_deep_lift_is_complete_or_says_where_the_input_chooses(
    framework: str, kind: str, baseline: str
) -> None:
    start = 0.0 if baseline == "zero" else BASELINE
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", BacklightWarning)
        try:
            found = DeepLIFT(baseline=start)(NETS[framework]()[kind], ARRAY[framework](X), 1)
        except BacklightError as error:
            assert NAMED.search(str(error)), str(error)
            return
        finally:
            backlight.forget()
    assert found.gap is not None
    complete = found.gap.max() <= 1e-9
    named = any(NAMED.search(note) for note in found.warnings)
    assert complete or named, f"gap {found.gap.max():.3g}, said: {found.warnings}"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_the_gradient_holds_what_the_input_chose(framework: str, kind: str) -> None:
    """Away from the places where the choice changes, the derivative is that of the chosen branch."""
    net, x = NETS[framework]()[kind], ARRAY[framework](X)
    step, moved = 1e-6, []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", BacklightWarning)
        values = np.asarray(Gradient()(net, x, 1).values)
        for column in range(C):
            shift = step * np.eye(C)[column]
            up, down = (np.asarray(net(ARRAY[framework](X + s)))[:, 1] for s in (shift, -shift))
            moved.append((up - down) / (2 * step))
    backlight.forget()
    np.testing.assert_allclose(values, np.stack(moved, 1), rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("kind", ["gather", "one_hot", "computed_first"])
@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_relevance_is_that_of_the_chosen_weights(framework: str, kind: str) -> None:
    """LRP has no baseline: the chosen expert is a linear layer, its relevance input times weight."""
    right = X * EXPERTS[(X @ GATE).argmax(1)][:, :, 1]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", BacklightWarning)
        try:
            method = LRP(composite="epsilon")
            found = method(NETS[framework]()[kind], ARRAY[framework](X), 1)
        except BacklightError as error:
            assert NAMED.search(str(error)), str(error)
            return
        finally:
            backlight.forget()
    near = np.abs(np.asarray(found.values) - right).max() <= 1e-5 * np.abs(right).max()
    assert near or any(NAMED.search(note) for note in found.warnings), found.warnings


@pytest.mark.parametrize("kind", ["bias_of_the_chosen", "minus_the_chosen"])
@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_bias_that_the_input_chooses_is_objected_to_beforehand(framework: str, kind: str) -> None:
    """LRP has no baseline, and leaves out what biases keep; with the gradient, the gap is the change of
    the bias."""
    net, x = NETS[framework]()[kind], ARRAY[framework](X)
    sign = 1 if kind == "bias_of_the_chosen" else -1
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", BacklightWarning)
        with pytest.raises(CoverageError, match=r"what is added by .* is chosen"):
            DeepLIFT(baseline=BASELINE)(net, x, 1)
        found = DeepLIFT(baseline=BASELINE, allow_gradient=True)(net, x, 1)
        relevance = LRP(composite="epsilon")(net, x, 1)
    backlight.forget()
    right = sign * EXPERTS[0][:, 1]
    np.testing.assert_allclose(np.asarray(found.values), (X - BASELINE) * right, rtol=1e-9)
    chosen = [BIASES[(z @ GATE).argmax(-1), 1] for z in (X, BASELINE)]
    np.testing.assert_allclose(found.gap, np.abs(chosen[0] - chosen[1]), atol=1e-9)
    np.testing.assert_allclose(np.asarray(relevance.values), X * right, rtol=1e-5)
