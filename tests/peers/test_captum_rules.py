"""Against Captum's modified backward passes, on nets where those act: modules in a row, each rectifier
one of its own, and something between a rectifier and the pooling behind it."""

from collections.abc import Callable

import captum.attr
import numpy as np
import pytest
import torch
from captum.attr._utils.lrp_rules import Alpha1_Beta0_Rule, EpsilonRule, GammaRule

from backlight import Method, Several
from backlight_methods import LRP, Composite, Deconvnet, DeepLIFT, GuidedBackprop, GuidedGradCAM
from backlight_methods.lrp.rules import AlphaBeta, Epsilon, Gamma

Tensor = torch.Tensor
COUNT = 4
pytestmark = pytest.mark.filterwarnings("ignore:.*(hook|require|Setting).*")


class Apart(torch.nn.Module):
    """Does nothing; without it Captum loses the rule of the pooling that follows a rectifier."""

    def forward(self, x: Tensor) -> Tensor:
        return x + 0.0


def net(bias: bool = True) -> torch.nn.Sequential:
    model = torch.nn.Sequential(
        torch.nn.Conv2d(2, 6, 3, bias=bias),
        torch.nn.ReLU(),
        Apart(),
        torch.nn.MaxPool2d(2),
        torch.nn.Conv2d(6, 8, 3, bias=bias),
        torch.nn.ReLU(),
        Apart(),
        torch.nn.AvgPool2d(2),
        torch.nn.Flatten(),
        torch.nn.Linear(8 * 4, 12, bias=bias),
        torch.nn.ReLU(),
        torch.nn.Linear(12, 5, bias=bias),
    )
    rng = np.random.default_rng(1)
    with torch.no_grad():
        for parameter in model.parameters():
            fan = max(1, parameter[0].numel())
            parameter.copy_(torch.from_numpy(rng.normal(size=tuple(parameter.shape)) / fan**0.5))
    return model.double().eval()


X = torch.from_numpy(np.random.default_rng(2).uniform(size=(COUNT, 2, 14, 14)))
BASELINES = torch.from_numpy(np.random.default_rng(3).uniform(size=(3, 2, 14, 14)))
LABELS = torch.tensor([1, 0, 4, 2])


def assert_equal(ours: object, theirs: Tensor) -> None:
    assert isinstance(ours, Tensor) and ours.shape == theirs.shape
    difference = (ours - theirs.detach()).abs().max() / theirs.detach().abs().max()
    assert float(difference) <= 1e-5


@pytest.mark.parametrize(
    ("peer", "method"),
    [
        (captum.attr.GuidedBackprop, GuidedBackprop()),
        (captum.attr.Deconvolution, Deconvnet()),
    ],
)
def test_guided_backprop_and_deconvnet(peer: Callable, method: Method) -> None:
    model = net()
    theirs = peer(model).attribute(X.clone().requires_grad_(), target=LABELS)
    assert_equal(method(model, X, LABELS).values, theirs)


def test_guided_grad_cam() -> None:
    model = net()
    peer = captum.attr.GuidedGradCam(model, model[4])
    theirs = peer.attribute(
        X.clone().requires_grad_(), target=LABELS, interpolate_mode="nearest-exact"
    )
    ours = GuidedGradCAM(upsample="nearest")(model, X, LABELS, at="4")
    assert_equal(ours.values, theirs)


@pytest.mark.parametrize("which", range(3))
def test_deep_lift(which: int) -> None:
    model, baseline = net(), BASELINES[which : which + 1]
    theirs = captum.attr.DeepLift(model).attribute(X, baselines=baseline, target=LABELS)
    ours = DeepLIFT(baseline=baseline[0])(model, X, LABELS)
    assert_equal(ours.values, theirs)


def test_deep_shap() -> None:
    model = net()
    theirs = captum.attr.DeepLiftShap(model).attribute(X, baselines=BASELINES, target=LABELS)
    ours = DeepLIFT(baseline=Several(list(BASELINES)))(model, X, LABELS)
    assert_equal(ours.values, theirs)


def propagated(model: torch.nn.Sequential, rule: Callable[[], object]) -> Tensor:
    for module in model:
        if isinstance(module, (torch.nn.Conv2d, torch.nn.Linear)):
            module.rule = rule()  # type: ignore[assignment]
        elif isinstance(module, (Apart, torch.nn.Flatten)):
            module.rule = EpsilonRule(1e-30)  # type: ignore[assignment]
    return captum.attr.LRP(model).attribute(X, target=positive(model))


def positive(model: torch.nn.Module) -> Tensor:
    """The class each example has most of: Captum's gamma is defined for positive sums only."""
    with torch.no_grad():
        return model(X).argmax(1)


@pytest.mark.parametrize("epsilon", [1e-9, 0.25])
def test_lrp_epsilon(epsilon: float) -> None:
    model = net()
    theirs = propagated(net(), lambda: EpsilonRule(epsilon))
    rule = Epsilon(epsilon)
    composite = Composite(dense=rule, convolution=rule)
    assert_equal(LRP(composite=composite)(model, X, positive(model)).values, theirs)


@pytest.mark.parametrize(
    ("peer", "rule"),
    [(lambda: GammaRule(0.5), Gamma(0.5)), (Alpha1_Beta0_Rule, AlphaBeta())],
)
def test_lrp_gamma_and_z_plus_without_biases(peer: Callable[[], object], rule) -> None:
    # With biases, Captum leaves these as they are while it changes the weights.
    model = net(bias=False)
    theirs = propagated(net(bias=False), peer)
    composite = Composite(dense=rule, convolution=rule)
    assert_equal(LRP(composite=composite)(model, X, positive(model)).values, theirs)
