"""Rules in the PyTorch backend: kinds."""

from collections.abc import Callable
from typing import Any, cast

import pytest
import torch
from torch import nn
from torch.nn import functional

import backlight
from backlight import Class, Margin, Probability
from backlight.errors import CoverageError
from backlight.rules.operations import Kind
from backlight.testing import rules as given
from backlight.testing.rules import (
    GUIDED,
    NATIVE,
)
from backlight_methods.deep_lift import rules as deep_lift_rules
from tests.backends.torch.rules.nets import DEEP, bound, kinds, same, tensor


class Cube(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, x: torch.Tensor) -> torch.Tensor:
        context.save_for_backward(x)
        return x**3

    @staticmethod
    def backward(context: Any, *grads: torch.Tensor) -> torch.Tensor:
        (x,) = context.saved_tensors
        return 3 * grads[0] * x**2


def test_functions_with_a_backward_of_their_own_are_named() -> None:
    weight = torch.randn(4, 3, dtype=torch.float64)

    def net(x: torch.Tensor) -> torch.Tensor:
        return torch.relu(cast(torch.Tensor, Cube.apply(x))) @ weight

    x = torch.randn(2, 4, dtype=torch.float64)
    model = backlight.wrap(net, framework="torch")
    score = bound(model, x, Class(1))
    found = model.gradient(x, score, rules=NATIVE)
    same(found.gradient, model.gradient(x, score).gradient)
    assert kinds(found.operations) == [Kind.OTHER, Kind.RELU, Kind.DENSE]
    assert found.operations[0].type == "autograd.CubeBackward"
    assert not found.operations[0].replayable
    guided = weight[:, 1].clamp(min=0) * (x > 0) * 3 * x**2
    same(model.gradient(x, score, rules=GUIDED).gradient, guided)
    path = given.by_kind({Kind.OTHER: cast(Any, deep_lift_rules.RULES[Kind.OTHER])})
    with pytest.raises(CoverageError, match=r"autograd\.CubeBackward .* cannot be run again"):
        model.gradient(x, score, rules=path, reference=x[:1] * 0)


SLOPE = nn.Parameter(torch.tensor([0.3], dtype=torch.float64))


SPELLINGS: dict[str, tuple[Kind, Callable[[torch.Tensor], torch.Tensor]]] = {
    "leaky": (Kind.LEAKY_RELU, lambda x: torch.where(x > 0, x, 0.1 * x)),
    "leaky, turned": (Kind.LEAKY_RELU, lambda x: torch.where(x <= 0, x * 0.1, x)),
    "elu": (Kind.ELU, lambda x: torch.where(x < 0, x.exp() - 1, x)),
    "step": (Kind.ELEMENTWISE, lambda x: torch.where(x > 0.3, x, torch.full_like(x, 0.3))),
    "rms": (Kind.NORMALIZATION, lambda x: x / (x.square().mean(1, keepdim=True) + 0.1).sqrt()),
    "rms, a product": (
        Kind.NORMALIZATION,
        lambda x: torch.rsqrt((x * x).mean(1, keepdim=True)) * x,
    ),
    "softmax": (Kind.SOFTMAX, lambda x: (lambda e: e / e.sum(1, keepdim=True))(x.exp())),
    "relu6": (Kind.RELU6, lambda x: x.clamp(0, 1)),
    "hardtanh": (Kind.HARD_TANH, lambda x: x.clamp(-0.5, 0.7)),
    "cut": (Kind.MIN, lambda x: x.clamp(max=0.3)),
    "reciprocal": (Kind.POW, lambda x: 1.0 / (x * x + 1.0)),
    "selu": (Kind.SELU, functional.selu),
    "celu": (Kind.CELU, lambda x: functional.celu(x, 0.5)),
    "elu of torch": (Kind.ELU, functional.elu),
    "prelu": (Kind.PRELU, lambda x: functional.prelu(x, SLOPE)),
    "softsign": (Kind.SOFTSIGN, functional.softsign),
    "log sigmoid": (Kind.LOG_SIGMOID, functional.logsigmoid),
    "hard sigmoid": (Kind.HARD_SIGMOID, functional.hardsigmoid),
    "sine": (Kind.ELEMENTWISE, torch.sin),
}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_functions_are_recognised(spelling: str) -> None:
    kind, function = SPELLINGS[spelling]
    weight = torch.randn(4, 3, dtype=torch.float64)

    def net(x: torch.Tensor) -> torch.Tensor:
        return function(x) @ weight

    x = torch.randn(3, 4, dtype=torch.float64)
    model = backlight.wrap(net, framework="torch")
    score = bound(model, x, Class(1))
    expected, native = model.gradient(x, score), model.gradient(x, score, rules=NATIVE)
    same(native.gradient, expected.gradient)
    assert kind in kinds(native.operations)
    assert Kind.OTHER not in kinds(native.operations)
    found = model.gradient(x, score, rules=DEEP, reference=x[:1] * 0.5)
    change = tensor(found.score) - tensor(found.reference_score)
    same(((x - x[:1] * 0.5) * tensor(found.gradient)).sum(1), change, rtol=1e-9, atol=1e-9)


def test_deep_lift_with_all_its_rules(case: tuple[nn.Module, torch.Tensor]) -> None:
    net, x = case
    model = backlight.wrap(net)
    for score in (Probability(1), Margin(0, versus=2)):
        score = bound(model, x, score)
        reference = torch.randn(1, *x.shape[1:], dtype=torch.float64)
        found = model.gradient(x, score, rules=DEEP, reference=reference)
        parts = (x - reference) * tensor(found.gradient)
        change = tensor(found.score) - tensor(found.reference_score)
        same(parts.flatten(1).sum(1), change, rtol=1e-9, atol=1e-9)
        seen = kinds(found.operations)
        assert not {Kind.OTHER, Kind.NORMALIZATION} & set(seen)
        assert (seen[-1] is Kind.SOFTMAX) == isinstance(score.scale, str) * (
            score.scale == "probability"
        )
