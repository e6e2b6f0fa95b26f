"""The PyTorch backend: techniques."""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast, final

import numpy as np
import pytest
import torch
from torch import nn

import backlight
from backlight import LogProbability, Margin, Probability


@final
@dataclass(frozen=True, kw_only=True)
class Line(backlight.Method):
    """The mean gradient on the line from zero, times the value: a technique in small."""

    steps: int = 4

    def attribute(self, objective: backlight.Objective) -> backlight.Result:
        (value,) = [cast(Any, objective.value)]
        total = objective.arrays.zeros_like(value)
        for part in objective.chunks(self.steps):
            numbers = (np.array(part) + 0.5) / self.steps
            points = objective.column(numbers, value) * value[None]
            found = objective.gradient(points)
            total = total + objective.arrays.sum(cast(Any, found.gradient), axis=0)
        return backlight.Result(total * value / self.steps)


def test_a_technique_runs_at_the_input_and_inside() -> None:
    net = nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 2, bias=False)).double()
    x = np.random.default_rng(0).normal(size=(5, 4))
    weights = [layer.weight.detach().numpy() for layer in net]
    hidden = x @ weights[0].T + net[0].bias.detach().numpy()
    for batch_size in (None, 2):
        found = Line()(net, x, 1, batch_size=batch_size)
        np.testing.assert_allclose(found.values, x * (weights[1] @ weights[0])[1], rtol=1e-12)
        found = Line()(net, x, 1, at="0", batch_size=batch_size)
        np.testing.assert_allclose(found.values, hidden * weights[1][1], rtol=1e-12)


def test_an_edited_net_is_explained_as_it_is_now() -> None:
    net = nn.Sequential(nn.Linear(6, 5), nn.Linear(5, 4))
    x = torch.randn(3, 6)
    logits = backlight.explain(net, x, Probability(1), "gradient")
    np.testing.assert_allclose(logits.score, net(x).softmax(1)[:, 1].detach(), rtol=1e-5)
    net.append(nn.Softmax(1))
    ended = backlight.explain(net, x, Probability(1), "gradient")
    np.testing.assert_allclose(ended.score, net(x)[:, 1].detach(), rtol=1e-5)
    net[1], net[2] = nn.Linear(5, 10), nn.Identity()
    assert backlight.explain(net, x, 8, "gradient").target == "Class(8)"


@pytest.mark.parametrize(
    "ending",
    [
        lambda z: z[:, :, None].softmax(1).flatten(1),
        lambda z: z.softmax(1).clamp(1e-7, 1),
        lambda z: (z.softmax(1) + (2 * z).softmax(1)) / 2,
    ],
)
def test_probabilities_are_told_by_their_values_where_operations_hide_them(
    ending: Callable[[torch.Tensor], torch.Tensor],
) -> None:
    layer = nn.Linear(6, 4).double()
    x = torch.randn(5, 6, dtype=torch.float64)
    p = ending(layer(x)).detach()
    found = backlight.explain(lambda x: ending(layer(x)), x, Probability(2), "gradient")
    np.testing.assert_allclose(found.score, p[:, 2], rtol=1e-12)
    margin = backlight.explain(lambda x: ending(layer(x)), x, Margin(2, versus=0), "gradient")
    np.testing.assert_allclose(margin.score, (p[:, 2] / p[:, 0]).log(), rtol=1e-10)


def test_modules_that_a_function_hides_run_in_evaluation_mode() -> None:
    nets = [nn.Sequential(nn.Linear(6, 5), nn.BatchNorm1d(5), nn.Dropout(0.5)) for _ in range(2)]
    hidden = {"first": nets[0], "rest": nets[1:]}

    def logits(x: torch.Tensor) -> torch.Tensor:
        return cast(torch.Tensor, hidden["first"](x) + hidden["rest"][0](x))  # type: ignore[operator, index]

    def net(x: torch.Tensor) -> torch.Tensor:
        return logits(x)[:, :3]

    x = torch.randn(4, 6)
    before = [copy.deepcopy(one.state_dict()) for one in nets]
    scores = [backlight.explain(net, x, 1, "gradient").score for _ in range(2)]
    np.testing.assert_array_equal(*scores)
    for one, state in zip(nets, before, strict=True):
        assert all(module.training for module in one.modules())
        assert all(torch.equal(one.state_dict()[name], state[name]) for name in state)


def test_results_stand_outside_of_the_users_own_graph() -> None:
    x = torch.randn(3, 6, requires_grad=True)
    for name in ("gradient", "input_x_gradient", "integrated_gradients"):
        values = backlight.explain(nn.Linear(6, 4), x, 1, name).values
        assert not cast(torch.Tensor, values).requires_grad
    with torch.inference_mode():
        made = torch.randn(3, 6)
        net = nn.Sequential(nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 4))
    with torch.inference_mode(False):
        net = nn.Sequential(nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 4))
    with torch.inference_mode():
        found = backlight.explain(net, made, 1, "integrated_gradients", at="1")
    assert found.relative_gap is not None and found.relative_gap.max() < 1e-4


def test_a_recurrent_net_has_its_features_last() -> None:
    class Recurrent(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.cell, self.head = nn.LSTM(8, 5, batch_first=True), nn.Linear(5, 2)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return cast(torch.Tensor, self.head(self.cell(x)[0][:, -1]))

    found = backlight.explain(
        Recurrent(), torch.randn(3, 20, 8), 1, "occlusion", window=1, stride=1
    )
    values = cast(torch.Tensor, found.values)
    assert torch.equal(values[:, :, 0], values[:, :, 7])  # the same for all features of a step
    assert bool((values[:, 1:, 0] != values[:, :-1, 0]).any())


def test_sigmoids_are_independent_probabilities() -> None:
    layer = nn.Linear(6, 4).double()
    x = torch.randn(5, 6, dtype=torch.float64)
    net, z = nn.Sequential(layer, nn.Sigmoid()), layer(x).detach()
    for target, expected in (
        (Probability(2), z.sigmoid()[:, 2]),
        (LogProbability(2), z.sigmoid()[:, 2].log()),
        (Margin(2, versus=0), z[:, 2] - z[:, 0]),
    ):
        found = backlight.explain(net, x, target, "gradient")
        np.testing.assert_allclose(found.score, expected, rtol=1e-9)


class Straight(torch.autograd.Function):
    """A rectifier whose gradient is handed on as it is."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(x).mul(1.0)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        return grads[0]


class StraightNet(nn.Module):
    """A convolution behind which is such a rectifier."""

    def __init__(self, after: Callable[[torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.conv, self.head, self.after = nn.Conv2d(3, 4, 3), nn.Linear(4, 3), after

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = Straight.apply(self.conv(x))  # type: ignore[no-untyped-call]
        found: torch.Tensor = self.head(self.after(y).mean((2, 3)))
        return found


@pytest.mark.parametrize(("after", "at"), [(lambda y: y, "conv"), (torch.tanh, "/tanh")])
def test_a_map_is_read_outside_of_functions_with_gradients_of_their_own(
    after: Callable[[torch.Tensor], torch.Tensor], at: str
) -> None:
    net, x = StraightNet(after), torch.randn(2, 3, 8, 8)
    found = backlight.explain(net, x, 1, "grad_cam")
    named = backlight.explain(net, x, 1, "grad_cam", at=at)
    assert found.at == named.at == at
    torch.testing.assert_close(found.values, named.values)
