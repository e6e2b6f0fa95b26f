"""What the verbs of a model take beside inputs and score means the same on every framework."""

from collections.abc import Callable, Iterator
from typing import Any

import torch  # isort: skip  (before TensorFlow: the other order does not load)
import jax
import jax.numpy as jnp
import mlx.core as mx
import numpy as np
import pytest
import tensorflow as tf

import backlight
from backlight import Class

RANDOM = np.random.default_rng(0)
WEIGHTS = RANDOM.normal(size=(4, 3))
X, OTHER = RANDOM.normal(size=(2, 5, 4))
K = 1
NETS: dict[str, Callable[[Any], Any]] = {
    "torch": lambda x: torch.tanh(x @ torch.from_numpy(WEIGHTS)),
    "tensorflow": lambda x: tf.tanh(x @ tf.constant(WEIGHTS)),
    "jax": lambda x: jnp.tanh(x @ WEIGHTS),
    "mlx": lambda x: mx.tanh(x @ NATIVE["mlx"](WEIGHTS)),
}
NATIVE: dict[str, Callable[[np.ndarray], Any]] = {
    "torch": torch.from_numpy,
    "tensorflow": tf.constant,
    "jax": jnp.asarray,
    "mlx": lambda x: mx.array(x, dtype=mx.float64),
}
CLOSE = {"rtol": 1e-12, "atol": 1e-12}


@pytest.fixture(autouse=True)
def double() -> Iterator[None]:
    with jax.enable_x64(True):
        yield


def score_at(x: np.ndarray) -> np.ndarray:
    return np.tanh(x @ WEIGHTS)[:, K]


def gradient_at(x: np.ndarray) -> np.ndarray:
    return (1.0 - score_at(x)[:, None] ** 2) * WEIGHTS[:, K]


def asked(framework: str) -> tuple[backlight.Model, Any, Any]:
    model = backlight.wrap(NETS[framework], framework)
    inputs = model.prepare(NATIVE[framework](X))
    return model, inputs, Class(K).bind(model.outputs(inputs), len(X))


@pytest.mark.parametrize("framework", NETS)
def test_a_value_without_a_site_stands_for_the_input(framework: str) -> None:
    model, inputs, score = asked(framework)
    value = NATIVE[framework](OTHER)
    np.testing.assert_allclose(model.score(inputs, score, value=value), score_at(OTHER), **CLOSE)
    found = model.gradient(inputs, score, value=value)
    np.testing.assert_allclose(found.score, score_at(OTHER), **CLOSE)
    np.testing.assert_allclose(found.value, OTHER, **CLOSE)
    np.testing.assert_allclose(found.gradient, gradient_at(OTHER), **CLOSE)


@pytest.mark.parametrize("framework", NETS)
def test_a_reference_without_rules_has_a_score_and_changes_no_gradient(framework: str) -> None:
    model, inputs, score = asked(framework)
    found = model.gradient(inputs, score, reference=NATIVE[framework](OTHER))
    np.testing.assert_allclose(found.reference_score, score_at(OTHER), **CLOSE)
    np.testing.assert_allclose(found.score, score_at(X), **CLOSE)
    np.testing.assert_allclose(found.gradient, gradient_at(X), **CLOSE)
