"""Rules in the PyTorch backend: laws."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

import pytest
import torch
from torch import nn
from torch.nn import functional

import backlight
from backlight import Class, Margin, Neuron, Probability
from backlight.rules.operations import LINEAR, Kind
from backlight.testing import rules as given
from backlight.testing.rules import (
    COMPLETE,
    DECONVNET,
    EPSILON,
    EPSILON_FOLDED,
    GUIDED,
    NATIVE,
    POSITIVE,
)
from tests.backends.torch.rules.nets import (
    DEEP,
    SHAPE,
    Attention,
    Functional,
    Inspect,
    bound,
    inspect,
    kinds,
    plain,
    run_again,
    same,
    settled,
    tensor,
)


def test_native_rules_are_the_gradient(case: tuple[nn.Module, torch.Tensor]) -> None:
    net, x = case
    model = backlight.wrap(net)
    for score in (Class([0, 1, 2]), Probability(1)):
        score = bound(model, x, score)
        expected, found = model.gradient(x, score), model.gradient(x, score, rules=NATIVE)
        same(found.gradient, expected.gradient)
        assert torch.equal(tensor(found.score), tensor(expected.score))
        assert found.operations == model.operations(x, score=score, rules=NATIVE)


def test_deep_lift_is_complete(case: tuple[nn.Module, torch.Tensor]) -> None:
    net, x = case
    model = backlight.wrap(net)
    score = bound(model, x, Class([0, 1, 2]))
    plain_score = model.score(x, score)
    rules = DEEP if isinstance(net, Attention) else COMPLETE  # which lacks softmax, quotients
    for rows in (1, 3):
        reference = torch.randn(rows, *x.shape[1:], dtype=torch.float64)
        found = model.gradient(x, score, rules=rules, reference=reference)
        parts = (x - reference) * tensor(found.gradient)
        change = tensor(found.score) - tensor(found.reference_score)
        same(parts.flatten(1).sum(1), change, rtol=1e-9, atol=1e-9)
        assert torch.equal(tensor(found.score), tensor(plain_score))
        whole = reference.expand_as(x).contiguous()
        same(found.reference_score, model.score(whole, score))


def test_batch_mates_do_not_matter(case: tuple[nn.Module, torch.Tensor]) -> None:
    net, x = case
    model = backlight.wrap(net)
    reference = torch.randn(1, *x.shape[1:], dtype=torch.float64)
    for rules, start in ((GUIDED, None), (EPSILON_FOLDED, None), (DEEP, reference)):
        score = bound(model, x, Class([0, 1, 2]))
        together = model.gradient(x, score, rules=rules, reference=start).gradient
        again = model.gradient(x, score, rules=rules, reference=start).gradient
        assert torch.equal(tensor(together), tensor(again))
        for row in range(3):
            one = x[row : row + 1]
            alone = model.gradient(
                one, bound(model, one, Class(row)), rules=rules, reference=start
            ).gradient
            same(tensor(together)[row : row + 1], alone, rtol=1e-9, atol=1e-10)


def test_folded_epsilon_has_its_closed_form() -> None:
    net = settled(nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3), nn.Flatten()), 2, 5, 5)
    x = torch.randn(2, 2, 5, 5, dtype=torch.float64)
    model = backlight.wrap(net)
    score = bound(model, x, Class(4))
    found = model.gradient(x, score, rules=EPSILON_FOLDED)
    start = x.clone().requires_grad_()
    z = net(start)
    sign = torch.where(z < 0, -1.0, 1.0)
    (expected,) = torch.autograd.grad((z * (z / (z + 0.25 * sign)).detach())[:, 4].sum(), start)
    same(found.gradient, expected)
    assert kinds(found.operations) == [Kind.CONVOLUTION]
    assert kinds(model.operations(x, score=score, rules=EPSILON)) == [
        Kind.CONVOLUTION,
        Kind.BATCH_NORM,
    ]


@pytest.mark.parametrize("spelling", ["modules", "functions", "clamp", "where", "maximum", "mask"])
def test_guided_backprop_however_a_rectifier_is_spelled(spelling: str) -> None:
    first, second = nn.Linear(4, 6).double(), nn.Linear(6, 3).double()
    spelled: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
        "modules": nn.ReLU(inplace=True),
        "functions": functional.relu,
        "clamp": lambda y: y.clamp(min=0),
        "where": lambda y: torch.where(y > 0, y, torch.zeros_like(y)),
        "maximum": lambda y: torch.maximum(torch.zeros_like(y), y),
        "mask": lambda y: y * (y > 0),
    }

    def net(x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = second(spelled[spelling](first(x)))
        return y.reshape(-1, 3)

    x = torch.randn(5, 4, dtype=torch.float64)
    model = backlight.wrap(net)
    score = bound(model, x, Class(1))
    z = first(x)
    grad = second.weight[1].expand(5, 6)
    guided = (grad.clamp(min=0) * (z > 0)) @ first.weight
    deconvnet = grad.clamp(min=0) @ first.weight
    found = model.gradient(x, score, rules=GUIDED)
    same(found.gradient, guided.detach())
    same(model.gradient(x, score, rules=DECONVNET).gradient, deconvnet.detach())
    assert kinds(found.operations) == [Kind.DENSE, Kind.RELU, Kind.DENSE]
    assert [one.name for one in found.operations] == ["first", found.operations[1].name, "second"]
    assert [one.first for one in found.operations] == [True, False, False]
    assert [one.last for one in found.operations] == [False, False, True]


def test_biases_are_folded_through_views_and_permutations() -> None:
    weight = torch.randn(4, 2, 3, dtype=torch.float64)
    bias = torch.randn(2, 3, dtype=torch.float64)
    head = torch.randn(6, 3, dtype=torch.float64)

    def net(x: torch.Tensor) -> torch.Tensor:
        y = (torch.einsum("ntf,fhd->nthd", x, weight) + bias) * 0.7 - bias
        return y.transpose(1, 2).relu().transpose(1, 2).flatten(2).mean(1) @ head

    x = torch.randn(2, 5, 4, dtype=torch.float64)
    model = backlight.wrap(net, framework="torch")
    for rules, seen in (
        (EPSILON, [Kind.DENSE, Kind.SCALE, Kind.SHIFT, Kind.RELU, Kind.SUM, Kind.DENSE]),
        (EPSILON_FOLDED, [Kind.DENSE, Kind.RELU, Kind.SUM, Kind.DENSE]),
    ):
        assert kinds(model.operations(x, rules=rules)) == seen
    looked = {kind: Inspect(run_again) for kind in LINEAR}
    for folds in (False, True):
        inspect(net, x, given.by_kind(cast(Any, looked), folds=folds))


def test_positive_weights_have_their_closed_form() -> None:
    net = nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 3)).double()
    with torch.no_grad():
        for weight in net.parameters():
            weight += 0.2
    x = torch.rand(2, 4, dtype=torch.float64)
    model = backlight.wrap(net)
    found = model.gradient(x, bound(model, x, Class(2)), rules=POSITIVE).gradient
    one, two = net[0].weight.detach().clamp(min=0), net[2].weight.detach().clamp(min=0)
    hidden, logit = net[:2](x).detach(), net(x).detach()[:, 2:]
    middle = two[2] * (logit / (hidden @ two[2:].T))
    share = net[0](x).detach() * middle * (hidden > 0) / (x @ one.T)
    same(found, share @ one)


def test_threads_and_the_model_are_left_alone() -> None:
    net = settled(Functional(), *SHAPE)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    hooks = [len(module._forward_hooks) for module in net.modules()]
    x = torch.randn(2, *SHAPE, dtype=torch.float64)
    model = backlight.wrap(net)
    score = bound(model, x, Class(1))
    expected = model.gradient(x, score, rules=COMPLETE, reference=x[:1] * 0).gradient
    with ThreadPoolExecutor(2) as pool:
        calls = [
            pool.submit(model.gradient, x, score, rules=COMPLETE, reference=x[:1] * 0)
            for _ in range(4)
        ]
        for call in calls:
            assert torch.equal(tensor(call.result().gradient), tensor(expected))
    assert hooks == [len(module._forward_hooks) for module in net.modules()]
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert all(one.requires_grad and one.grad is None for one in net.parameters())


def test_at_a_site_only_what_follows_is_ruled() -> None:
    net = settled(plain(), *SHAPE)
    x = torch.randn(2, *SHAPE, dtype=torch.float64)
    model = backlight.wrap(net)
    score = bound(model, x, Margin(0, versus=2))
    for at in ("3", "7"):
        expected = model.gradient(x, score, at=at)
        found = model.gradient(x, score, at=at, rules=NATIVE)
        same(found.gradient, expected.gradient)
        reference = torch.zeros_like(tensor(found.value))[:1]
        full = model.gradient(x, score, at=at, rules=COMPLETE, reference=reference)
        parts = (tensor(full.value) * tensor(full.gradient)).flatten(1).sum(1)
        same(parts, tensor(full.score) - tensor(full.reference_score), rtol=1e-9, atol=1e-9)
        assert kinds(found.operations)[0] is (Kind.CONVOLUTION if at == "3" else Kind.DENSE)
        assert found.operations == model.operations(x, score=score, at=at, rules=NATIVE)
    inner = bound(model, x, Neuron("4", index=(0, ...)))
    assert kinds(model.operations(x, score=inner))[-1] is Kind.SUM


def test_choices_made_by_the_values_are_named() -> None:
    def net(x: torch.Tensor) -> torch.Tensor:
        y = torch.where(x.flip(1) > 0.05, x.sin(), x.cos())
        return y * (y * (y.flip(1) > 0.1).double()).flip(1)

    x = torch.randn(2, 4, dtype=torch.float64)
    model = backlight.wrap(net, framework="torch")
    found = model.operations(x, score=bound(model, x, Class(1)))
    assert kinds(found)[2:] == [Kind.OTHER, Kind.OTHER, Kind.MUL]
    assert [one.replayable for one in found[2:]] == [False, False, True]
    assert found[2].type == "aten.where"
