"""Attributions that can be differentiated, against central differences over the weights in float64."""

from collections.abc import Iterator
from functools import cache
from typing import Any

import jax
import numpy as np
import pytest

from backlight import Method, explain, methods
from backlight.errors import CoverageError
from backlight_methods import (
    LRP,
    Conductance,
    DeepLIFT,
    ExpectedGradients,
    GradCAM,
    GradCAMPlusPlus,
    Gradient,
    HiResCAM,
    InputXGradient,
    IntegratedGradients,
    InternalInfluence,
    LayerCAM,
    Occlusion,
    Saliency,
    Smooth,
    XGradCAM,
)
from tests.methods.judges import any_numbers
from tests.methods.smooth_nets import CLASSES, NETS, PICTURES, SmoothNet, Weights, weights_of
from tests.reference import ReferenceModel

pytestmark = any_numbers

EVERYWHERE = [
    Gradient(),
    IntegratedGradients(steps=3, rule="trapezoid", multipliers=True),
    Occlusion(window=3),
    GradCAM(),
    Conductance(steps=2),
]
"""What asks a model in other ways: by gradients, at many points, by scores, inside, by other inputs."""
OTHERS = [
    Saliency(),
    InputXGradient(),
    IntegratedGradients(steps=3),
    ExpectedGradients(samples=3, baseline=0.1),
    Smooth(samples=2),
    Smooth(inner=InputXGradient(), samples=2, statistic="variance"),
    InternalInfluence(steps=2),
    GradCAMPlusPlus(),
    HiResCAM(),
    LayerCAM(),
    XGradCAM(),
]
SITES = {"torch": "inner", "tensorflow": "inner", "jax": "softplus"}
CASES = [
    *((framework, method) for framework in NETS for method in EVERYWHERE),
    *(("torch", method) for method in OTHERS),
]


@pytest.fixture(autouse=True)
def wide() -> Iterator[None]:
    with jax.enable_x64(True):
        yield


def where(framework: str, method: Method) -> dict[str, Any]:
    named = isinstance(method, (Conductance, InternalInfluence))
    return {"at": SITES[framework]} if named else {}


@cache
def net_of(framework: str, method: Method) -> SmoothNet:
    return NETS[framework](method, **where(framework, method))


@cache
def gradient_of(framework: str, method: Method) -> Weights:
    return net_of(framework, method).gradient(weights_of(0))


@pytest.mark.parametrize(("framework", "method"), CASES)
def test_gradients_by_the_weights_are_slopes_of_the_loss(framework: str, method: Method) -> None:
    loss = net_of(framework, method).loss
    found, start, step = gradient_of(framework, method), weights_of(0), 1e-6
    for name in start:
        towards = np.sign(weights_of(1)[name])
        up, down = (loss({**start, name: start[name] + way * towards}) for way in (step, -step))
        slope = (up - down) / (2 * step)
        assert np.sum(found[name] * towards) == pytest.approx(slope, rel=1e-6, abs=1e-7), name


@pytest.mark.parametrize("method", EVERYWHERE[:3])
@pytest.mark.parametrize("framework", ["tensorflow", "jax"])
def test_frameworks_agree(framework: str, method: Method) -> None:
    judged, found = gradient_of("torch", method), gradient_of(framework, method)
    for name, expected in judged.items():
        np.testing.assert_allclose(found[name], expected, rtol=1e-9, atol=1e-9, err_msg=name)


@pytest.mark.parametrize(
    ("method", "why"),
    [
        (LRP(), "its backward pass obeys rules"),
        (DeepLIFT(), "its backward pass obeys rules"),
        (Smooth(inner=LRP()), "its backward pass obeys rules"),
        (IntegratedGradients(tolerance=0.1), "leave out tolerance="),
        (ExpectedGradients(tolerance=0.1), "leave out tolerance="),
        (Smooth(tolerance=0.1), "leave out tolerance="),
        (methods()["shapley_values"](), "numbers outside of the framework"),
    ],
)
def test_other_techniques_say_why_not(method: Method, why: str) -> None:
    with pytest.raises(CoverageError, match=rf"cannot be differentiated, as .*{why}.* smooth"):
        method(ReferenceModel(("net", lambda x: x)), PICTURES, CLASSES, differentiable=True)


def test_other_frameworks_say_so() -> None:
    model = ReferenceModel(("net", lambda x: x[:, 0, 0, :]))
    with pytest.raises(CoverageError, match="those of PyTorch, JAX and TensorFlow models can"):
        explain(model, PICTURES, 1, "gradient", differentiable=True)
