"""Against Captum on the same torch net, its definitions chosen by our options, where it is right."""

from collections.abc import Callable

import captum.attr
import numpy as np
import pytest
import torch

from backlight.values.noise import normal
from backlight_demo import fashion, fashion_torch
from backlight_methods import (
    GradCAM,
    InputXGradient,
    IntegratedGradients,
    Occlusion,
    Saliency,
    Smooth,
)

COUNT = 6
LABELS = torch.from_numpy(fashion.examples()[1][:COUNT])


@pytest.fixture(params=[torch.float32, torch.float64], ids=["float32", "float64"])
def net(request: pytest.FixtureRequest) -> torch.nn.Module:
    return fashion_torch.net(str(request.param).removeprefix("torch."))


@pytest.fixture
def x(net: torch.nn.Module) -> torch.Tensor:
    dtype = str(next(net.parameters()).dtype).removeprefix("torch.")
    return torch.from_numpy(fashion.pictures(fashion.examples()[0][:COUNT], "first", dtype))


def assert_equal(ours: object, theirs: torch.Tensor) -> None:
    assert isinstance(ours, torch.Tensor) and ours.shape == theirs.shape
    difference = (ours - theirs.detach()).abs().max() / theirs.detach().abs().max()
    assert float(difference) <= 1e-5


def test_saliency(net: torch.nn.Module, x: torch.Tensor) -> None:
    theirs = captum.attr.Saliency(net).attribute(x.clone().requires_grad_(), target=LABELS)
    assert_equal(Saliency()(net, x, LABELS).values, theirs)


@pytest.mark.filterwarnings("ignore:.* sum to the change of the score")  # of few steps
@pytest.mark.parametrize(
    ("rule", "method"),
    [
        ("gauss_legendre", "gausslegendre"),
        ("midpoint", "riemann_middle"),
        ("left", "riemann_left"),
        ("right", "riemann_right"),
    ],
)
def test_integrated_gradients(net: torch.nn.Module, x: torch.Tensor, rule, method: str) -> None:
    # Captum's way ends a rounding away from x, which tells equal pixels apart where max-pool has ties.
    x, baseline = x + 0.1 * uneven(x).flip(2), uneven(x)
    theirs = captum.attr.IntegratedGradients(net).attribute(
        x, baselines=baseline, target=LABELS, n_steps=20, method=method
    )
    ours = IntegratedGradients(steps=20, rule=rule, baseline=baseline)(net, x, LABELS)
    assert_equal(ours.values, theirs)


@pytest.mark.parametrize("layer", ["features.relu3", "features.conv2"])
@pytest.mark.parametrize("rectify", [False, True])
def test_grad_cam(net: torch.nn.Module, x: torch.Tensor, layer: str, rectify: bool) -> None:
    peer = captum.attr.LayerGradCam(net, net.get_submodule(layer))
    theirs = peer.attribute(x, target=LABELS, relu_attributions=rectify)
    ours = GradCAM(upsample="none", rectify=rectify)(net, x, LABELS, at=layer)
    assert_equal(ours.values, theirs[:, 0])
    for ours_says, theirs_says in {"bilinear": "bilinear", "nearest": "nearest-exact"}.items():
        larger = torch.nn.functional.interpolate(theirs, (28, 28), mode=theirs_says)
        ours = GradCAM(upsample=ours_says, rectify=rectify)(net, x, LABELS, at=layer)  # type: ignore[arg-type]
        assert_equal(ours.values, larger[:, 0])


@pytest.mark.parametrize(("window", "stride"), [(7, 7), (9, 4), ((8, 5), (3, 5))])
def test_occlusion(net: torch.nn.Module, x: torch.Tensor, window, stride) -> None:
    sides = window if isinstance(window, tuple) else (window, window)
    steps = stride if isinstance(stride, tuple) else (stride, stride)
    theirs = captum.attr.Occlusion(net).attribute(
        x,
        sliding_window_shapes=(1, *sides),
        strides=(1, *steps),
        baselines=0.5,
        target=LABELS,
        perturbations_per_eval=8,
    )
    ours = Occlusion(window=window, stride=stride, baseline=0.5)(net, x, LABELS)
    assert_equal(ours.values, theirs)


@pytest.mark.parametrize(
    ("statistic", "kind"),
    [("mean", "smoothgrad"), ("square", "smoothgrad_sq"), ("variance", "vargrad")],
)
def test_noise_tunnel(
    net: torch.nn.Module,
    x: torch.Tensor,
    statistic,
    kind: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    samples = 7
    draws = np.stack([normal(3, sample, 0, tuple(x.shape[1:])) for sample in range(samples)])

    def same_noise(mean: float, std: torch.Tensor) -> torch.Tensor:
        # Captum repeats each example `samples` times in a row.
        return mean + torch.from_numpy(np.tile(draws, (COUNT, 1, 1, 1))).to(std) * std

    monkeypatch.setattr(torch, "normal", same_noise)
    inner: Callable[..., object] = captum.attr.InputXGradient(net)
    theirs = captum.attr.NoiseTunnel(inner).attribute(
        x, nt_type=kind, nt_samples=samples, stdevs=0.1, target=LABELS
    )
    method = Smooth(
        inner=InputXGradient(),
        samples=samples,
        noise=0.1,
        relative=False,
        statistic=statistic,
        seed=3,
    )
    assert_equal(method(net, x, LABELS).values, theirs)


def uneven(x: torch.Tensor) -> torch.Tensor:
    """Not flat: over flat pixels max-pool has ties that only rounding breaks."""
    return torch.from_numpy(np.random.default_rng(0).uniform(size=(1, 1, 28, 28))).to(x)
