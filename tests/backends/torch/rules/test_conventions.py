"""Rules in the PyTorch backend: conventions."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch.nn import functional

import backlight
from backlight import Class, Function
from backlight.errors import CoverageError
from backlight.rules.operations import Kind
from backlight.rules.rules import Rule
from backlight.testing import rules as given
from backlight.testing.rules import (
    COMPLETE,
    NATIVE,
)
from tests.backends.torch.rules.nets import bound, same, tensor

TIES: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "max over windows": lambda x: functional.max_pool2d(x, 2).flatten(1),
    "max over windows, channels last": lambda x: functional.max_pool2d(
        x.contiguous(memory_format=torch.channels_last), 2
    ).flatten(1),
    "adaptive": lambda x: functional.adaptive_max_pool2d(x, 2).flatten(1),
    "amax": lambda x: x.unflatten(2, (2, 2)).unflatten(4, (2, 2)).amax((3, 5)).flatten(1),
    "max": lambda x: (
        x.unflatten(2, (2, 2)).unflatten(4, (2, 2)).transpose(3, 4).flatten(4).max(4)[0].flatten(1)
    ),
}


@dataclass(frozen=True)
class AtZero(Rule):
    """The derivative at an input of zeros."""

    def __call__(self, op: Any, grad: Any) -> Any:
        return op.vjp(grad, inputs=[torch.zeros_like(one) for one in op.inputs])


AT_ZERO = given.by_kind({Kind.MAX: AtZero(), Kind.MAX_POOL: AtZero()})


@pytest.mark.parametrize("spelling", TIES)
def test_the_first_of_equal_maxima_gets_the_gradient(spelling: str) -> None:
    x = torch.zeros(2, 1, 4, 4, dtype=torch.float64)
    x[0, 0, 1, 1] = 1.0
    model = backlight.wrap(TIES[spelling], framework="torch")
    found = model.gradient(x, bound(model, x, Class(0)), rules=NATIVE)
    expected = torch.zeros_like(x)
    expected[0, 0, 1, 1] = expected[1, 0, 0, 0] = 1.0
    same(found.gradient, expected)
    start = model.gradient(x, bound(model, x, Class(0)), rules=AT_ZERO)
    expected[0] = expected[1]
    same(start.gradient, expected)


KINKS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "relu": torch.relu,
    "clamp": lambda x: x.clamp(min=0),
    "maximum": lambda x: torch.maximum(x, torch.zeros_like(x)),
    "where": lambda x: torch.where(x >= 0, x, torch.zeros_like(x)),
    "relu6": lambda x: functional.relu6(x * 6.0),
    "clamped": lambda x: x.clamp(0.0, 1.0),
    "abs": torch.abs,
}


@pytest.mark.parametrize("spelling", KINKS)
def test_rules_agree_on_slopes_at_kinks(spelling: str) -> None:
    x = torch.tensor([[0.0, 1.0, 0.5], [-0.0, 0.0, -2.0]], dtype=torch.float64)
    model = backlight.wrap(lambda x: KINKS[spelling](x), framework="torch")
    score = bound(model, x, Function(lambda y, arrays: arrays.sum(y, axis=1)))
    found = tensor(model.gradient(x, score, rules=NATIVE).gradient)
    assert not found[x == 0].any()
    cut = spelling in ("relu6", "clamped")
    assert bool(found[0, 1] == 0) == cut
    assert found[0, 2] == (6 if spelling == "relu6" else 1)


def test_a_way_that_depends_on_the_values_is_an_error() -> None:
    def net(x: torch.Tensor) -> torch.Tensor:
        return x.relu() if x.sum() > 0 else x.tanh().sigmoid()

    x = torch.ones(2, 3, dtype=torch.float64)
    model = backlight.wrap(net, framework="torch")
    with pytest.raises(CoverageError, match=r"operation 0 is aten\.relu here and aten\.tanh there"):
        model.gradient(x, bound(model, x, Class(1)), rules=COMPLETE, reference=-x[:1])
