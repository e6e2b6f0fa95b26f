"""Numbers that are easily got wrong, on each framework: norms of nothing, scores that are integers."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import backlight
from backlight import Function
from backlight.errors import TargetError
from backlight_methods import DeepLIFT, Occlusion
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


@pytest.mark.filterwarnings("ignore:Every value is exactly 0")
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


STEPS = np.array([[60.0, -3.0], [-50.0, 2.0], [7.0, 90.0], [-70.0, 4.0]])
BITS = np.array([[1.0, 1.0, 0.0, 0.0], [0.0, 1.0, 1.0, 1.0], [1.0, 0.0, 1.0, 0.0]])


def whole(framework: str) -> dict[str, Callable[[Any], Any]]:
    """Nets that return small integers and truth values."""
    if framework == "torch":
        import torch

        steps = torch.from_numpy(STEPS).float()
        return {
            "integers": lambda x: (x @ steps).to(torch.int8),
            "truth": lambda x: x @ steps > 0,
            "complex": lambda x: torch.complex(x @ steps, x @ steps),
        }
    if framework == "jax":
        import jax
        from jax import numpy as jnp

        return {
            "integers": lambda x: (x @ STEPS).astype(jnp.int8),
            "truth": lambda x: x @ STEPS > 0,
            "complex": lambda x: jax.lax.complex(x @ STEPS, x @ STEPS),
        }
    import tensorflow as tf

    steps = tf.constant(STEPS, tf.float32)

    def integers(x: Any) -> Any:
        return tf.cast(x @ steps, tf.int8)

    def truth(x: Any) -> Any:
        return x @ steps > 0

    def complex_numbers(x: Any) -> Any:
        return tf.complex(x @ steps, x @ steps)

    return {"integers": integers, "truth": truth, "complex": complex_numbers}


def largest(outputs: Any, arrays: Any) -> Any:
    return arrays.argmax(outputs, axis=1)


@pytest.mark.filterwarnings("ignore:Every value is exactly 0")
@pytest.mark.parametrize("name", ["integers", "truth"])
@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_scores_that_are_integers_fall_like_any_other(framework: str, name: str) -> None:
    model = backlight.wrap(whole(framework)[name], framework)
    x = BITS.astype(np.float32)
    found = Occlusion(window=1, stride=1)(model, x, 0)

    def score(x: np.ndarray) -> np.ndarray:
        total = (x @ STEPS)[..., 0]
        return total if name == "integers" else (total > 0).astype(float)

    covered = BITS[:, None] * (1 - np.eye(4))
    np.testing.assert_array_equal(found.values, score(BITS)[:, None] - score(covered))
    np.testing.assert_array_equal(found.score, score(BITS))


@pytest.mark.filterwarnings("ignore:Every value is exactly 0")
@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_score_functions_may_return_integers(framework: str) -> None:
    steps = STEPS.astype(np.float32)
    model = backlight.wrap(whole(framework)["integers"], framework)
    found = Occlusion(window=4, stride=4)(model, BITS.astype(np.float32), Function(largest))
    best = (BITS.astype(np.float32) @ steps).argmax(1)
    np.testing.assert_array_equal(found.score, best)
    np.testing.assert_array_equal(found.values, np.repeat(best[:, None], 4, axis=1))


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_complex_scores_are_refused(framework: str) -> None:
    model = backlight.wrap(whole(framework)["complex"], framework)
    with pytest.raises(TargetError, match="real numbers, got complex64"):
        Occlusion(window=1, stride=1)(model, BITS.astype(np.float32), 0)
