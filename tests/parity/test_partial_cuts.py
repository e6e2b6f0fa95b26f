"""Gradients that are cut on some of their ways are said too, with the place; where nothing is lost,
nothing is said."""

import re
import warnings
from collections.abc import Callable
from typing import Any

import torch  # isort: skip  (before TensorFlow: the other order does not load)
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tensorflow as tf

import backlight
from backlight import BacklightWarning
from backlight_methods import DeepLIFT, Gradient
from tests.parity.measure import FRAMEWORKS

X = np.random.default_rng(0).normal(size=(4, 5)).astype("float32")
GATE = np.random.default_rng(1).normal(size=(5, 5)).astype("float32")
WEIGHT = np.random.default_rng(2).normal(size=(5, 3)).astype("float32")

Net = Callable[[Any], Any]

STOPPED = {"torch": "detach", "tensorflow": "[Ss]top_?[Gg]radient", "jax": "stop_gradient"}
ROUNDED = {"torch": "round", "tensorflow": "[Rr]ound|Rint", "jax": "round"}
WORDS = {"gate": STOPPED, "statistics": STOPPED, "residual": ROUNDED}


def torch_nets() -> dict[str, Net]:
    gate, weight = torch.tensor(GATE), torch.tensor(WEIGHT)

    def masked(x: torch.Tensor) -> torch.Tensor:
        chosen = torch.nn.functional.one_hot((x @ gate).argmax(1), 5)
        return x * (1 + chosen) @ weight

    def stable(x: torch.Tensor) -> torch.Tensor:
        z = x @ weight
        e = (z - z.amax(1, keepdim=True).detach()).exp()
        return e / e.sum(1, keepdim=True)

    return {
        "gate": lambda x: x * (x @ gate).sigmoid().detach() @ weight,
        "statistics": lambda x: (x - x.mean(1, keepdim=True).detach()) @ weight,
        "residual": lambda x: (x + (4 * x).round()) @ weight,
        "argmax_mask": masked,
        "stable_softmax": stable,
        "rectifier": lambda x: x * (x > 0) @ weight,
        "none": lambda x: torch.tanh(x) @ weight,
    }


def tensorflow_nets() -> dict[str, Net]:
    gate, weight = tf.constant(GATE), tf.constant(WEIGHT)

    def masked(x: tf.Tensor) -> tf.Tensor:
        return x * (1 + tf.one_hot(tf.argmax(x @ gate, 1), 5)) @ weight

    def stable(x: tf.Tensor) -> tf.Tensor:
        z = x @ weight
        e = tf.exp(z - tf.stop_gradient(tf.reduce_max(z, 1, keepdims=True)))
        return e / tf.reduce_sum(e, 1, keepdims=True)

    return {
        "gate": lambda x: x * tf.stop_gradient(tf.sigmoid(x @ gate)) @ weight,
        "statistics": lambda x: (
            (x - tf.stop_gradient(tf.reduce_mean(x, 1, keepdims=True))) @ weight
        ),
        "residual": lambda x: (x + tf.round(4 * x)) @ weight,
        "argmax_mask": masked,
        "stable_softmax": stable,
        "rectifier": lambda x: x * tf.cast(x > 0, x.dtype) @ weight,
        "none": lambda x: tf.tanh(x) @ weight,
    }


def jax_nets() -> dict[str, Net]:
    stopped = jax.lax.stop_gradient

    def stable(x: Any) -> Any:
        z = x @ WEIGHT
        e = jnp.exp(z - stopped(z.max(1, keepdims=True)))
        return e / e.sum(1, keepdims=True)

    return {
        "gate": lambda x: x * stopped(jax.nn.sigmoid(x @ GATE)) @ WEIGHT,
        "statistics": lambda x: (x - stopped(x.mean(1, keepdims=True))) @ WEIGHT,
        "residual": lambda x: (x + jnp.round(4 * x)) @ WEIGHT,
        "argmax_mask": lambda x: x * (1 + jax.nn.one_hot((x @ GATE).argmax(1), 5)) @ WEIGHT,
        "stable_softmax": stable,
        "rectifier": lambda x: x * (x > 0) @ WEIGHT,
        "none": lambda x: jnp.tanh(x) @ WEIGHT,
    }


NETS = {"torch": torch_nets, "tensorflow": tensorflow_nets, "jax": jax_nets}
ARRAY = {"torch": torch.tensor, "tensorflow": tf.constant, "jax": jnp.asarray}


def notes(framework: str, kind: str, method: Any) -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", BacklightWarning)
        found = method(NETS[framework]()[kind], ARRAY[framework](X), 1)
    backlight.forget()
    return " ".join(note for note in found.warnings if re.search(r"\bcut\b", note))


@pytest.mark.parametrize("kind", WORDS)
@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_way_that_is_cut_beside_others_is_said(framework: str, kind: str) -> None:
    """The gradient is not zero, and not that of the score either."""
    assert re.search(WORDS[kind][framework], notes(framework, kind, Gradient()))


@pytest.mark.parametrize(
    "method", [Gradient(), DeepLIFT(allow_gradient=True)], ids=["plain", "rules"]
)
@pytest.mark.parametrize("kind", ["stable_softmax", "rectifier", "argmax_mask", "none"])
@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_where_nothing_is_lost_nothing_is_said(framework: str, kind: str, method: Any) -> None:
    assert notes(framework, kind, method) == ""


ROUNDING: dict[str, Net] = {
    "torch": lambda x: (4 * x).round() @ torch.tensor(WEIGHT),
    "tensorflow": lambda x: tf.round(4 * x) @ tf.constant(WEIGHT),
    "jax": lambda x: jnp.round(4 * x) @ WEIGHT,
}


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_what_a_rule_carries_over_a_rounding_is_not_called_cut(framework: str) -> None:
    """DeepLIFT takes the quotient of changes there: each value is what its rounded number adds."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", BacklightWarning)
        found = DeepLIFT()(ROUNDING[framework], ARRAY[framework](X), 1)
    expected = np.round(4 * X.astype("float64")) * WEIGHT[:, 1]
    np.testing.assert_allclose(np.asarray(found.values), expected, rtol=1e-5, atol=1e-6)
    backlight.forget()
