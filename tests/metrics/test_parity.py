"""Every metric gives the same numbers on every framework, for one small net of the same weights."""

import torch  # isort: skip  (before TensorFlow: the other order does not load)

from importlib.util import find_spec

import numpy as np
import pytest

import backlight
from backlight import Metric
from backlight.testing.nets import CNN, PICTURE, Net
from backlight_conformance import builder
from backlight_methods import InputXGradient
from backlight_metrics import METRICS

FRAMEWORKS = ("torch", "tensorflow", "jax", *(("mlx",) if find_spec("mlx") else ()))
COUNT = 3

assert torch is not None


def evaluated(framework: str, net: Net, metrics: dict[str, Metric]) -> dict[str, np.ndarray]:
    """Values of each metric, (maps, examples)."""
    trial = builder(framework).trial(net)
    shape = net.inputs[0].shape[1:]
    x = trial.laid_out(np.random.default_rng(0).normal(size=(COUNT, *shape)))
    masks = np.random.default_rng(1).random((COUNT, *shape[:2])) < 0.3
    with trial.precision():
        found = backlight.evaluate(
            trial.model,
            x,
            {"it": InputXGradient(), **({"again": "saliency"} if net is CNN else {})},
            metrics,
            backlight.Margin(1, versus=0),
            masks=masks,
            baseline=0.1,
            seed=5,
        )
    assert not found.errors
    for key, cell in found.cells.items():
        assert cell.error is None, (key, cell.error)
    return {
        name: np.stack([found[one, name].values for one in (*found.techniques, *found.controls)])
        for name in metrics
    }


def all_numbers(framework: str) -> dict[str, np.ndarray]:
    """Of every metric, with hyper-parameters that ask for few passes. That of randomised nets is of one
    without a batch norm, whose running statistics only some frameworks tell from parameters."""
    few = {"samples": 4}
    given = {"infidelity": few, "max_sensitivity": few, "model_randomisation": {"stops": 1}}
    made = {name: make(**given.get(name, {})) for name, make in METRICS.items()}
    last = {"model_randomisation": made.pop("model_randomisation")}
    return {**evaluated(framework, CNN, made), **evaluated(framework, PICTURE, last)}


@pytest.fixture(scope="module")
def expected() -> dict[str, np.ndarray]:
    return all_numbers("torch")


@pytest.mark.parametrize("framework", FRAMEWORKS[1:])
def test_numbers_are_those_of_torch(framework: str, expected: dict[str, np.ndarray]) -> None:
    tolerance = 1e-4 if framework == "mlx" else 1e-6  # which computes in float32
    for name, values in all_numbers(framework).items():
        np.testing.assert_allclose(values, expected[name], tolerance, tolerance, err_msg=name)


def test_something_was_compared(expected: dict[str, np.ndarray]) -> None:
    assert set(expected) == set(METRICS)
    for name, values in expected.items():
        assert name == "completeness_gap" or np.isfinite(values).any(), name
