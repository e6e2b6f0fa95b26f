"""Same weights in, same map out, where the backward pass obeys rules: every technique that has any, on
small nets of every style."""

from collections.abc import Sequence
from functools import cache
from importlib import import_module

import numpy as np
import pytest

import backlight
from backlight import Method, Model
from backlight_methods import (
    LRP,
    Deconvnet,
    DeepLIFT,
    ExcitationBackprop,
    Gradient,
    GuidedBackprop,
    GuidedGradCAM,
)
from tests.parity import nets, nets_reference
from tests.parity.measure import FRAMEWORKS, MODULES, Values, precision, spread

TECHNIQUES: dict[str, Method] = {
    "gradient": Gradient(),
    "guided_backprop": GuidedBackprop(all_rectifiers=True),
    "deconvnet": Deconvnet(all_rectifiers=True),
    "guided_grad_cam": GuidedGradCAM(all_rectifiers=True),
    "deep_lift": DeepLIFT(baseline=0.1),
    "reveal_cancel": DeepLIFT(rule="reveal_cancel"),
    "lrp_epsilon": LRP(composite="epsilon"),
    "lrp_epsilon_plus": LRP(composite="epsilon_plus"),
    "lrp_epsilon_gamma_box": LRP(composite="epsilon_gamma_box"),
    "lrp_alpha_beta_flat": LRP(composite="epsilon_alpha2_beta1_flat"),
    "excitation_backprop": ExcitationBackprop(),
}
REFERENCE = [name for name in TECHNIQUES if name not in ("gradient", "guided_grad_cam")]
"""What the tests' own tape does: it has no plain gradient but central differences."""
LEFT_OUT = {
    # No feature map, or not the same one in each framework where none is said.
    ("guided_grad_cam", net)
    for net in (*nets.SEQUENCES, "overlapping_pools", "reused_relu")
} | {
    # The first thing these do is to normalise or add: no rule for the input is defined.
    (technique, net)
    for technique in ("lrp_epsilon_gamma_box", "lrp_alpha_beta_flat")
    for net in nets.SEQUENCES
}
CASES = [
    (technique, net)
    for technique in TECHNIQUES
    for net in nets.NETS
    if (technique, net) not in LEFT_OUT
]


@cache
def model(framework: str, net: str, dtype: str = "float64") -> Model:
    if framework == "reference":
        return nets_reference.net(net)
    made = import_module(f"tests.parity.nets_{MODULES[framework]}").net(net, dtype)
    return backlight.wrap(made, framework)


def explained(framework: str, net: str, method: Method, dtype: str = "float64") -> Values:
    """Values and channels last, whatever the framework."""
    x = nets.inputs(net, 3).astype(dtype)
    pictures = x.ndim == 4
    if framework == "torch" and pictures:
        x = np.moveaxis(x, -1, 1)
    with precision(dtype):
        found = np.asarray(method(model(framework, net, dtype), x, [1, 0, 4]).values)
    return np.moveaxis(found, 1, -1) if framework == "torch" and pictures else found


def agree(technique: str, net: str, frameworks: Sequence[str]) -> None:
    judged = technique in REFERENCE and net not in nets_reference.LEFT_OUT
    found = [
        explained(framework, net, TECHNIQUES[technique])
        for framework in (*frameworks, *(["reference"] if judged else []))
    ]
    assert np.abs(found[0]).max() > 0
    assert spread(found) <= 1e-9


@pytest.mark.filterwarnings("ignore:.*has no rule for sigmoid.*")  # of a gate
@pytest.mark.parametrize(("technique", "net"), CASES)
def test_torch_and_one_that_compiles_agree_in_float64(technique: str, net: str) -> None:
    """TensorFlow and JAX in turn, as on the squares of a chess board."""
    square = list(TECHNIQUES).index(technique) + list(nets.NETS).index(net)
    agree(technique, net, ("torch", ("tensorflow", "jax")[square % 2]))


@pytest.mark.sweep
@pytest.mark.filterwarnings("ignore:.*has no rule for sigmoid.*")  # of a gate
@pytest.mark.parametrize(("technique", "net"), CASES)
def test_three_frameworks_agree_in_float64(technique: str, net: str) -> None:
    agree(technique, net, FRAMEWORKS)


@pytest.mark.filterwarnings("ignore:.*has no rule for sigmoid.*")  # of a gate
@pytest.mark.parametrize(("technique", "net"), CASES)
def test_mlx_agrees_in_float32(technique: str, net: str) -> None:
    # Whose convolutions, exp and erf have the digits of float32 in float64 too.
    found = [explained(one, net, TECHNIQUES[technique], "float32") for one in ("torch", "mlx")]
    assert np.abs(found[0]).max() > 0
    # LRP by epsilon divides by sums near 0 in this net: each framework is 3e-4 off its own float64.
    assert spread(found) <= (1e-3 if (technique, net) == ("lrp_epsilon", "gelu") else 1e-5)
