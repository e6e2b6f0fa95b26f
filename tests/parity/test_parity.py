"""Same weights in, same map out: every technique on three frameworks, and one judge from outside."""

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest

from backlight import Method, Several
from backlight_demo import fashion
from backlight_methods import METHODS, ExpectedGradients, Gradient, IntegratedGradients, Smooth
from tests.methods.judges import any_numbers
from tests.parity.measure import FRAMEWORKS, Values, explained, model, precision, spread

pytestmark = any_numbers

SMALLER: dict[str, dict[str, dict[str, object]]] = {
    "fashion": {
        "integrated_gradients": {"steps": 6},
        "conductance": {"steps": 4},
        "internal_influence": {"steps": 5},
        "smooth": {"samples": 4},
        "expected_gradients": {"samples": 6},
        "occlusion": {"window": 9, "stride": 5},
        "feature_ablation": {"features": "grid:3x3"},
        "kernel_shap": {"features": "grid:3x3", "samples": 36},
        "lime": {"features": "grid:3x3", "samples": 36},
        "rise": {"samples": 8},
        "shapley_values": {"features": "grid:3x3", "samples": 4, "exact": 0},
        "sobol_indices": {"features": "grid:3x3", "samples": 2},
    },
    "efficientnet_lite0": {
        "integrated_gradients": {"steps": 2},
        "conductance": {"steps": 1},
        "internal_influence": {"steps": 1},
        "smooth": {"samples": 2},
        "expected_gradients": {"samples": 2},
        "occlusion": {"window": 80, "stride": 72},
        "feature_ablation": {"features": "grid:2x2"},
        "kernel_shap": {"features": "grid:1x2", "samples": 6},
        "lime": {"features": "grid:1x2", "samples": 6},
        "rise": {"samples": 2},
        "shapley_values": {"features": "grid:1x2"},
        "sobol_indices": {"features": "grid:1x1", "samples": 2},
    },
}
"""Techniques of few passes."""
OF_A_DEEP_NET = (
    "deep_lift",
    "grad_cam",
    "gradient",
    "guided_backprop",
    "lrp",
)
"""One technique for each thing that is asked of a framework: inner values, gradients at the input and at
an inner value, and a backward pass under each kind of rule. What the others make of the answers is
arithmetic, judged on the small net."""
PLAINER = ("gradient", "guided_backprop")
"""Of those what the others ask too: a gradient at the input, with and without rules. In the sweep."""
SIDES = {"fashion": (28, 1), "efficientnet_lite0": (224, 3)}


def technique(name: str, net: str) -> Callable[[str], Method]:
    """A technique of few passes, for each framework's order of axes."""
    smaller: Any = SMALLER[net].get(name, {})
    if name == "expected_gradients":
        return lambda framework: ExpectedGradients(
            baseline=Several([0.0, noise(net, framework)]), **smaller
        )
    if name in ("conductance", "internal_influence"):
        return lambda framework: METHODS[name](baseline=noise(net, framework), **smaller)
    method = METHODS[name](**smaller)
    return lambda framework: method


def noise(net: str, framework: str) -> Values:
    """A baseline that is not flat: over flat pixels max-pool has ties, and only rounding, which is
    each framework's own, breaks them."""
    side, channels = SIDES[net]
    drawn = np.random.default_rng(0).uniform(size=(side, side, channels))
    return np.moveaxis(drawn, -1, 0) if framework == "torch" else drawn


@pytest.mark.parametrize("name", METHODS)
def test_three_frameworks_agree_on_the_fashion_net_in_float64(name: str) -> None:
    method = technique(name, "fashion")
    found = [explained(framework, "fashion", "float64", method, 6) for framework in FRAMEWORKS]
    assert spread(found) <= 1e-9


@pytest.mark.parametrize("name", METHODS)
def test_three_frameworks_agree_on_the_fashion_net_in_float32(name: str) -> None:
    method = technique(name, "fashion")
    found = [explained(framework, "fashion", "float32", method, 6) for framework in FRAMEWORKS]
    assert spread(found) <= 1e-4


@pytest.mark.parametrize("name", METHODS)
def test_mlx_agrees_on_the_fashion_net_in_float32(name: str) -> None:
    method = technique(name, "fashion")
    found = [explained(one, "fashion", "float32", method, 6) for one in ("torch", "mlx")]
    assert spread(found) <= 1e-5


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[pytest.mark.sweep] if name in PLAINER else [])
        for name in OF_A_DEEP_NET
    ],
)
def test_three_frameworks_agree_on_efficientnet_lite0_in_float64(name: str) -> None:
    method = technique(name, "efficientnet_lite0")
    found = [
        explained(framework, "efficientnet_lite0", "float64", method, 1) for framework in FRAMEWORKS
    ]
    assert spread(found) <= 1e-9


@pytest.mark.parametrize("statistic", ["square", "variance"])
def test_three_frameworks_agree_on_statistics_of_noise(statistic: str) -> None:
    method = Smooth(inner=IntegratedGradients(steps=3), samples=4, statistic=statistic)  # type: ignore[arg-type]
    found = [
        explained(framework, "fashion", "float64", lambda _: method, 3) for framework in FRAMEWORKS
    ]
    assert spread(found) <= 1e-9


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_the_gradient_is_that_of_the_net_written_in_numpy(framework: str) -> None:
    given = NOISE if framework == "torch" else np.moveaxis(NOISE, 1, -1)
    with precision("float64"):
        found = Gradient()(model(framework, "fashion", "float64"), given, LABELS)
    for values, slope in zip(np.asarray(found.values), slopes(), strict=True):
        difference = np.abs(values.reshape(28, 28) - slope)
        # A kink within the step spoils a finite difference, so a pixel or two may be off.
        assert np.quantile(difference, 0.99) <= 1e-7 * np.abs(slope).max()


# Noise all over: on a flat background a finite difference would step over ties and kinks.
NOISE = np.random.default_rng(0).uniform(size=(2, 1, 28, 28))
LABELS = np.array([9, 2])


@cache
def slopes() -> list[Values]:
    """The derivatives of each picture's own logit by its pixels, (28, 28), by finite differences."""
    # Both signs of a step in every pixel, all in one batch.
    step = 1e-6
    steps = step * np.eye(28 * 28).reshape(-1, 1, 28, 28)
    differences = [by_hand(picture + steps) - by_hand(picture - steps) for picture in NOISE]
    return [
        one[:, label].reshape(28, 28) / (2 * step)
        for one, label in zip(differences, LABELS, strict=True)
    ]


def by_hand(images: Values) -> Values:
    """The Fashion-MNIST net in NumPy, images (N, 1, 28, 28), logits (N, 10)."""
    weights = {name: values.astype(np.float64) for name, values in fashion.weights().items()}
    x = images
    for name in fashion.CHANNELS:
        padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
        windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(2, 3))
        x = np.einsum("nchwij,ocij->nohw", windows, weights[f"{name}.kernel"], optimize=True)
        x = np.maximum(x + weights[f"{name}.bias"][:, None, None], 0)
        rows, columns = x.shape[2] // 2, x.shape[3] // 2
        x = x[:, :, : 2 * rows, : 2 * columns]
        x = x.reshape(*x.shape[:2], rows, 2, columns, 2).max(axis=(3, 5))
    x = x.reshape(len(x), -1)
    x = np.maximum(x @ weights["dense1.kernel"].T + weights["dense1.bias"], 0)
    return x @ weights["dense2.kernel"].T + weights["dense2.bias"]
