"""Values of each baseline and each sample, on each framework as on the others."""

import torch  # isort: skip  (before TensorFlow: the other order does not load)
import numpy as np
import pytest

import backlight
from backlight import Method, Several
from backlight_methods import (
    RISE,
    DeepLIFT,
    ExpectedGradients,
    IntegratedGradients,
    KernelSHAP,
    Occlusion,
    Smooth,
)
from tests.methods.judges import any_numbers
from tests.parity.test_logits import X
from tests.parity.test_several_targets import NETS

pytestmark = any_numbers

BASELINES = Several([0.1, -0.2, np.linspace(-1, 1, 6)])
KEPT: dict[str, tuple[Method, int]] = {
    "integrated_gradients": (IntegratedGradients(steps=3, baseline=BASELINES, keep="each"), 3),
    "deep_lift": (DeepLIFT(baseline=BASELINES, keep="each"), 3),
    "occlusion": (Occlusion(baseline=BASELINES, keep="each"), 3),
    "kernel_shap": (KernelSHAP(samples=24, baseline=BASELINES, keep="each"), 3),
    "expected_gradients": (ExpectedGradients(samples=4, baseline=BASELINES, keep="each"), 4),
    "rise": (RISE(samples=4, keep="each"), 4),
    "smooth": (Smooth(inner=DeepLIFT(), samples=4, keep="each"), 4),
}
TO_A_TOLERANCE: list[Method] = [
    Smooth(inner=Occlusion(window=2), samples=4, tolerance=0.2, maximum_samples=64),
    RISE(samples=16, tolerance=0.2, maximum_samples=1024),
]


@pytest.mark.parametrize("name", KEPT)
def test_each_is_the_same_on_each_framework_and_its_mean_the_values(name: str) -> None:
    method, count = KEPT[name]
    found = [backlight.explain(make(), X, 1, method) for make in NETS.values()]  # type: ignore[operator]
    largest = np.abs(found[0].each).max()
    for one in found:
        assert type(one.each) is np.ndarray
        assert one.each.shape == (count, *X.shape)
        np.testing.assert_allclose(one.each.mean(axis=0), one.values, atol=1e-6 * largest)
        np.testing.assert_allclose(one.each, found[0].each, atol=1e-5 * largest)


@pytest.mark.parametrize("method", TO_A_TOLERANCE, ids=repr)
def test_as_many_samples_are_drawn_on_each_framework(method: Method) -> None:
    found = [backlight.explain(make(), X, 1, method) for make in NETS.values()]  # type: ignore[operator]
    for one in found:
        largest = np.abs(found[0].values).max()
        np.testing.assert_allclose(one.values, found[0].values, atol=1e-5 * largest)
        np.testing.assert_allclose(one.standard_error, found[0].standard_error, atol=1e-5 * largest)


def test_each_comes_back_as_it_came_in() -> None:
    x = torch.tensor(X)
    found = Occlusion(baseline=BASELINES, keep="each")(torch.nn.Linear(6, 4), x, 1)
    assert isinstance(found.each, torch.Tensor)
    assert found.each.shape == (3, *X.shape)
