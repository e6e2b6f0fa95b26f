"""The norm of a zero vector, and what techniques make of it, on each framework in float64."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import backlight
from backlight_methods import DeepLIFT
from tests.parity.measure import FRAMEWORKS, precision

WEIGHT = np.random.default_rng(0).normal(size=(5, 6))
INPUTS = np.random.default_rng(1).normal(size=(3, 5)) * [[1.0], [0.0], [1.0]]


def nets(framework: str) -> tuple[list[Callable[[Any], Any]], Any]:
    """The norm as the framework offers it, and by hand; the inputs."""
    if framework == "torch":
        import torch

        weight = torch.from_numpy(WEIGHT)
        return [
            lambda x: torch.linalg.vector_norm(torch.relu(x @ weight), dim=1),
            lambda x: (torch.relu(x @ weight) ** 2).sum(1).sqrt(),
        ], torch.from_numpy(INPUTS)
    if framework == "jax":
        import jax
        from jax import numpy as jnp

        return [
            lambda x: jnp.linalg.norm(jax.nn.relu(x @ WEIGHT), axis=1),
            lambda x: jnp.sqrt((jax.nn.relu(x @ WEIGHT) ** 2).sum(1)),
        ], jnp.asarray(INPUTS)
    import tensorflow as tf

    return [
        lambda x: tf.norm(tf.nn.relu(x @ WEIGHT), axis=1),
        lambda x: tf.sqrt(tf.reduce_sum(tf.nn.relu(x @ WEIGHT) ** 2, 1)),
    ], tf.constant(INPUTS)


@pytest.mark.parametrize("spelling", [0, 1])
@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_the_norm_of_nothing_has_the_multiplier_0(framework: str, spelling: int) -> None:
    with precision("float64"):
        spellings, x = nets(framework)
        model = backlight.wrap(spellings[spelling], framework)
        found, far = (DeepLIFT(baseline=baseline)(model, x) for baseline in (0.0, 0.3))
    hidden = np.maximum(INPUTS @ WEIGHT, 0)
    size = np.sqrt((hidden**2).sum(1))
    # From 0 each square is h^2 / h per h, and the root 1 / size per square's unit: h^2 / size in all.
    share = np.divide(hidden, size[:, None], out=np.zeros_like(hidden), where=size[:, None] > 0)
    expected = (share * (hidden > 0)) @ WEIGHT.T * INPUTS
    np.testing.assert_allclose(found.values, expected, rtol=1e-11, atol=1e-13)
    assert found.gap.max() < 1e-12
    assert far.gap.max() < 1e-11
