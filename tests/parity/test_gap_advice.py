"""What is said of a sum of DeepLIFT that is off where every operation has a multiplier: that rounding may
be the reason only where it can be."""

from collections.abc import Callable, Iterator
from typing import Any

import torch  # isort: skip  (before TensorFlow: the other order does not load)
import jax
import numpy as np
import pytest
import tensorflow as tf

from backlight import BacklightWarning
from backlight.errors import CoverageError
from backlight_methods import DeepLIFT
from tests.parity.measure import FRAMEWORKS

X = np.random.default_rng(0).normal(size=(3, 5))
WEIGHT = np.random.default_rng(1).normal(size=(5, 4))


@pytest.fixture(autouse=True)
def double() -> Iterator[None]:
    with jax.enable_x64(True):
        yield


def half_cut(framework: str, dtype: str) -> tuple[Callable[[Any], Any], Any]:
    """A net half of whose hidden numbers are behind a cut."""
    x, weight = X.astype(dtype), WEIGHT.astype(dtype)
    if framework == "torch":
        given = torch.from_numpy(weight)

        def torch_net(x: torch.Tensor) -> torch.Tensor:
            hidden = torch.tanh(x @ given)
            return hidden + 2 * hidden.flip(1).detach()

        return torch_net, torch.from_numpy(x)
    if framework == "tensorflow":

        def tensorflow_net(x: tf.Tensor) -> tf.Tensor:
            hidden = tf.tanh(x @ tf.constant(weight))
            return hidden + 2 * tf.stop_gradient(tf.reverse(hidden, [1]))

        return tensorflow_net, tf.constant(x)

    def jax_net(x: jax.Array) -> jax.Array:
        hidden = jax.numpy.tanh(x @ weight)
        return hidden + 2 * jax.lax.stop_gradient(hidden[:, ::-1])

    return jax_net, jax.numpy.asarray(x)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_rounding_is_blamed_only_where_it_may_be_the_reason(framework: str, dtype: str) -> None:
    net, x = half_cut(framework, dtype)
    with pytest.warns(BacklightWarning) as caught:
        found = DeepLIFT()(net, x, 1)
    assert found.gap is not None and found.gap.max() > 0.1
    said = " ".join(str(one.message) for one in caught)
    assert ("or compute in float64" in said) == (dtype == "float32")
    assert ("Rounding does not explain that" in said) == (dtype == "float64")


GATES: dict[str, Callable[[Any], Any]] = {
    "torch": lambda x: (x * torch.sigmoid(x).detach()).sum(1, keepdim=True),
    "tensorflow": lambda x: tf.reduce_sum(x * tf.stop_gradient(tf.sigmoid(x)), 1, keepdims=True),
    "jax": lambda x: (x * jax.lax.stop_gradient(jax.nn.sigmoid(x))).sum(1, keepdims=True),
}


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_gate_that_stops_its_gradient_is_said_to_be_one(framework: str) -> None:
    """What the gate changes belongs to no number: the plain gradient is the gate, and the gap is told."""
    _, x = half_cut(framework, "float64")
    with pytest.raises(CoverageError, match="is chosen by the input, past any") as caught:
        DeepLIFT()(GATES[framework], x, 0)
    assert "may let it pass" in str(caught.value)
    assert "cannot be run again" not in str(caught.value)
    with pytest.warns(BacklightWarning):
        found = DeepLIFT(allow_gradient=True)(GATES[framework], x, 0)
    np.testing.assert_allclose(np.asarray(found.values), X / (1 + np.exp(-X)), rtol=1e-9)
