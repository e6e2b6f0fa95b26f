"""Rules in the PyTorch backend: replays."""

import copy
import warnings
from typing import Any, cast

import pytest
import torch
from torch import nn

import backlight
import backlight_methods
from backlight import Class
from backlight.rules.operations import LINEAR, UNARY, Kind
from backlight.testing import rules as given
from backlight.testing.rules import (
    Frozen,
)
from tests.backends.torch.rules.nets import (
    Functional,
    Inspect,
    bound,
    inspect,
    kinds,
    run_again,
    same,
)


@pytest.mark.parametrize("folds", [False, True])
def test_operations_can_be_run_again(case: tuple[nn.Module, torch.Tensor], folds: bool) -> None:
    looked = {kind: Inspect(run_again) for kind in Kind if kind is not Kind.NEURON}
    inspect(*case, given.by_kind(cast(Any, looked), folds=folds))


def parts_run_again(op: Any) -> None:
    linear, unary = op.parts
    assert linear.operation.kind in LINEAR
    assert unary.operation.kind in UNARY
    same(linear.output, unary.inputs[0])
    same(op.output, unary.output)
    same(unary.replay(inputs=[linear.replay()]), op.output)
    same(linear.reference.replay(), unary.reference.inputs[0])
    (middle,) = unary.vjp(torch.ones_like(op.output))
    same(linear.vjp(middle)[0], op.vjp(torch.ones_like(op.output))[0])


def test_neurons_have_parts(case: tuple[nn.Module, torch.Tensor]) -> None:
    net, x = case
    rules = given.by_kind({Kind.NEURON: Inspect(parts_run_again)})
    inspect(net, x, rules)
    found = backlight.wrap(net).operations(x, rules=rules)
    assert (Kind.NEURON in kinds(found)) != isinstance(net, Functional)


@pytest.mark.parametrize(
    "norm", [nn.LayerNorm(6), nn.GroupNorm(2, 6), nn.RMSNorm(6), nn.LayerNorm(6, bias=False)]
)
def test_frozen_norms_have_their_closed_form(norm: nn.Module) -> None:
    norm = copy.deepcopy(norm).double()
    with torch.no_grad():
        norm.weight *= torch.randn(6)
    x = torch.randn(3, 6, dtype=torch.float64)
    rules = given.by_kind({Kind.NORMALIZATION: Frozen()})
    model = backlight.wrap(norm)
    found = model.gradient(x, bound(model, x, Class(2)), rules=rules)
    eps = norm.eps if norm.eps is not None else torch.finfo(x.dtype).eps
    groups = x.reshape(3, 2 if isinstance(norm, nn.GroupNorm) else 1, -1)
    centre = 0.0 if isinstance(norm, nn.RMSNorm) else groups.mean(2, keepdim=True)
    size = (((groups - centre) ** 2).mean(2, keepdim=True) + eps).sqrt()
    unit = torch.zeros(3, 6, dtype=x.dtype)
    unit[:, 2] = norm.weight.detach()[2]
    share = unit.reshape(groups.shape) / size
    if not isinstance(norm, nn.RMSNorm):
        share = share - share.mean(2, keepdim=True)
    same(found.gradient, share.reshape(3, 6))
    assert kinds(found.operations) == [Kind.NORMALIZATION]


def test_a_norm_is_looked_into_again_where_the_net_goes_on_otherwise_behind_it() -> None:
    """What it consists of then has other numbers in the graph."""
    norm, weight = nn.LayerNorm(6).double(), torch.randn(6, 6, dtype=torch.float64)

    def net(x: torch.Tensor) -> torch.Tensor:
        y = norm(x)
        return (y @ weight).tanh() if x.max() > 0 else y

    x = torch.rand(3, 6, dtype=torch.float64) + 0.1
    methods = [backlight_methods.DeepLIFT(baseline=sign * x[:1] / 2) for sign in (1, -1)]
    model = backlight.wrap(net, framework="torch")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", backlight.BacklightWarning)
        methods[0](model, x, 1)
        found = methods[1](model, -x, 1)
        backlight.forget()
        alone = methods[1](backlight.wrap(net, framework="torch"), -x, 1)
    torch.testing.assert_close(found.values, alone.values, rtol=0, atol=0)
