"""Infidelity and max-sensitivity against Captum's, for the same changes of the input."""

import numpy as np
import pytest
import torch
from captum.metrics import infidelity, sensitivity_max

from backlight.values.noise import normal
from backlight_methods import Gradient, InputXGradient
from backlight_metrics import Infidelity, MaxSensitivity
from tests.metrics.nets import judged

SAMPLES, RADIUS, SEED = 12, 0.15, 3


@pytest.fixture(scope="module")
def net() -> torch.nn.Module:
    torch.manual_seed(0)
    return torch.nn.Sequential(
        torch.nn.Conv2d(2, 4, 3),
        torch.nn.Softplus(),
        torch.nn.Flatten(),
        torch.nn.Linear(4 * 16, 3),
    ).double()


X = np.random.default_rng(0).normal(size=(3, 2, 6, 6))
REACH = RADIUS * float(X.max() - X.min())


@pytest.mark.parametrize("raw", [True, False])
def test_infidelity_is_captums_for_the_same_noise(net: torch.nn.Module, raw: bool) -> None:
    maps, x = np.asarray(Gradient()(net, X, 1).values), torch.from_numpy(X)
    noise = [REACH * normal(SEED, sample, 0, X.shape[1:], "first") for sample in range(SAMPLES)]

    def changed(inputs: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        # Captum repeats each example `SAMPLES` times in a row.
        drawn = torch.from_numpy(np.stack(noise * len(X))).to(inputs)
        return drawn, inputs - drawn

    expected = infidelity(
        lambda one: net(one)[:, 1],
        changed,
        x,
        torch.from_numpy(maps),
        n_perturb_samples=SAMPLES,
        normalize=not raw,
    ).numpy()
    metric = Infidelity(local=True, samples=SAMPLES, radius=RADIUS, raw=raw)
    found = judged(net, X, maps, metric, 1, seed=SEED).values
    if not raw:  # Captum leaves the score's own change in
        with torch.no_grad():
            changes = [
                (net(x)[:, 1] - net(x - torch.from_numpy(one))[:, 1]).numpy() for one in noise
            ]
        found = found * np.mean(np.square(changes), axis=0)
    np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_sensitivity_is_captums_for_the_same_moves(net: torch.nn.Module) -> None:
    seen: list[np.ndarray] = []

    def watched(model, inputs, target, **said):
        found = InputXGradient()(model, inputs, target, **said)
        seen.append(inputs.attributed.numpy().copy())
        return found

    metric = MaxSensitivity(samples=4, radius=RADIUS)
    found = judged(net, X, watched, metric, 1, seed=SEED).values
    moves = [torch.from_numpy(one - X) for one in seen[1:]]
    assert len(moves) == 4
    assert max(float(one.abs().max()) for one in moves) <= REACH

    def explained(inputs: torch.Tensor | tuple[torch.Tensor]) -> object:
        x = inputs[0] if isinstance(inputs, tuple) else inputs
        values = InputXGradient()(net, x.detach().numpy(), 1).values
        found = torch.from_numpy(np.ascontiguousarray(values))
        return (found,) if isinstance(inputs, tuple) else found

    each = [
        sensitivity_max(
            explained,
            torch.from_numpy(X),
            perturb_func=lambda inputs, perturb_radius, move=move: inputs + move,
            perturb_radius=RADIUS,
            n_perturb_samples=1,
        ).numpy()
        for move in moves
    ]
    np.testing.assert_allclose(found, np.max(each, axis=0), rtol=1e-9)
