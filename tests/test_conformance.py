"""The conformance kit passes each framework's backend and each technique."""

import torch  # isort: skip  (before TensorFlow: the other order does not load)

import pytest

from backlight import Method
from backlight.testing import Check, backend_checks, method_checks
from backlight_conformance import BUILDERS, builder
from backlight_methods import METHODS

assert torch
BUILT = {framework: builder(framework) for framework in BUILDERS}

FEW: dict[str, dict[str, object]] = {
    "expected_gradients": {"samples": 3},
    "integrated_gradients": {"steps": 256},
    "lrp": {"composite": "epsilon"},
    "smooth": {"samples": 3},
    "occlusion": {"window": 1, "stride": 1},
}
"""Hyper-parameters of few passes."""
PROMISES: dict[str, dict[str, float]] = {
    "deep_lift": {"complete": 1e-9},
    "integrated_gradients": {"complete": 0.01},
    "lrp": {"conserves": 1e-4},
}


def technique(name: str) -> Method:
    return METHODS[name](**FEW.get(name, {}))


@pytest.mark.parametrize(
    "check",
    [
        pytest.param(check, id=f"{framework}-{check}")
        for framework in BUILDERS
        for check in backend_checks(BUILT[framework])
    ],
)
def test_each_backend_keeps_the_laws(check: Check) -> None:
    check()


@pytest.mark.parametrize(
    "check",
    [
        pytest.param(check, id=f"{framework}-{name}-{check}")
        for framework in BUILDERS
        for name in METHODS
        for check in method_checks(technique(name), BUILT[framework], **PROMISES.get(name, {}))
    ],
)
def test_each_technique_keeps_the_laws(check: Check) -> None:
    assert check() is None
