"""Rules in the PyTorch backend: against plain gradients, closed forms and completeness."""

import copy
import io
import subprocess
import sys
import textwrap
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, cast

import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

import backlight
import backlight_methods
from backlight import Class, Function, Margin, Neuron, Probability
from backlight.errors import CoverageError
from backlight.model.model import Model
from backlight.rules.operations import LINEAR, UNARY, Kind
from backlight.rules.rules import Rule
from backlight.testing import rules as given
from backlight.testing.rules import (
    COMPLETE,
    DECONVNET,
    EPSILON,
    EPSILON_FOLDED,
    GUIDED,
    NATIVE,
    POSITIVE,
    Frozen,
)
from backlight.values.outputs import OutputSpec
from backlight_methods.deep_lift import rules as deep_lift_rules

EXACT = {"rtol": 1e-11, "atol": 1e-12}


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)
    torch.set_num_threads(1)
    backlight.forget()


def same(found: Any, expected: Any, **tolerance: float) -> None:
    torch.testing.assert_close(found, expected, **(tolerance or EXACT))


def bound(model: Model, x: Any, score: Any) -> Any:
    inputs = model.prepare(x)
    if score.site is None:
        return score.bind(model.outputs(inputs), inputs.count)
    return score.bind(OutputSpec(model.site(inputs, score.site).shape), inputs.count)


def tensor(array: Any) -> torch.Tensor:
    return cast(torch.Tensor, array)


def kinds(operations: Any) -> list[Kind]:
    return [one.kind for one in operations]


def settled(net: nn.Module, *shape: int) -> nn.Module:
    """In double precision, with running statistics, in evaluation mode."""
    net = net.double().train()
    with torch.no_grad():
        net(torch.randn(16, *shape, dtype=torch.float64))
    return net.eval()


class Functional(nn.Module):
    """Functions and methods, in place, residual, one activation module for all."""

    def __init__(self) -> None:
        super().__init__()
        self.one = nn.Conv2d(2, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.two = nn.Conv2d(4, 4, 3, padding=1, groups=2, bias=False)
        self.up = nn.ConvTranspose2d(8, 4, 2, stride=2, groups=2)
        self.norm_up = nn.BatchNorm2d(4)
        self.act = nn.ReLU()
        self.head = nn.Linear(4, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.norm(self.one(x)).relu_()
        z = self.act(self.two(y) + y)
        both = torch.cat([z.clamp(min=0), functional.threshold(y - 0.1, 0.0, 0.0)], 1)
        both = torch.maximum(both, torch.full_like(both, 0.05))
        up = self.act(self.norm_up(self.up(both)))
        up = torch.maximum(up - 0.2, torch.zeros_like(up))
        up = functional.max_pool2d(up, 3, 2)
        up[:, :2].relu_()
        logits: torch.Tensor = self.head(up.mean((2, 3)))
        return logits


class Gates(nn.Module):
    """Squeeze and excite, gates, many activations, dense layers on three axes."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 4, 3)
        self.squeeze, self.excite = nn.Linear(4, 2), nn.Linear(2, 4)
        self.mix = nn.Linear(4, 4)
        self.slope = nn.PReLU(4)
        self.head = nn.Linear(8, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = functional.gelu(self.conv(x))
        s = torch.sigmoid(self.excite(functional.silu(self.squeeze(y.mean((2, 3))))))
        y = self.slope(y * s[:, :, None, None])
        t = self.mix(y.flatten(2).transpose(1, 2))
        t = functional.elu(t) * torch.sigmoid(t) - t.tanh() * t
        t = torch.cat([functional.softplus(t).amax(1), functional.mish(t).square().mean(1)], 1)
        logits: torch.Tensor = self.head(functional.hardswish(t) / 2.0 + 1.0)
        return logits


def plain() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(2, 4, 3),
        nn.BatchNorm2d(4),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(3, 2),
        nn.Conv2d(4, 6, 2),
        nn.SiLU(),
        nn.AdaptiveMaxPool2d(2),
        nn.Flatten(),
        nn.Linear(24, 5),
        nn.ReLU6(),
        nn.Linear(5, 3),
    )


class Attention(nn.Module):
    """A transformer's encoder, a norm of each kind, a masked attention, a gated unit."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Linear(4, 8)
        self.layer = nn.TransformerEncoderLayer(
            8, 2, 16, batch_first=True, activation="gelu", norm_first=True
        )
        self.many = nn.MultiheadAttention(8, 2, batch_first=True)
        self.group = nn.GroupNorm(2, 6)
        self.instance = nn.InstanceNorm1d(6, affine=True)
        self.rms = nn.RMSNorm(8)
        self.head = nn.Linear(8, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.layer(self.embed(x))
        y = y + self.many(y, y, y)[0]
        y = self.rms(self.instance(self.group(y)) + 0.1)
        mask = torch.zeros(6, 6, dtype=y.dtype)
        mask[:2, 3:] = -torch.inf
        q = y.unflatten(2, (2, 4)).transpose(1, 2)
        z = functional.scaled_dot_product_attention(q, q * 0.5, q, attn_mask=mask)
        z = z + functional.scaled_dot_product_attention(q, q, q, is_causal=True)
        y = functional.glu(torch.cat([y, z.transpose(1, 2).flatten(2)], 2), 2)
        weights = torch.log_softmax(y, 2) + torch.softmax(y, 1) * torch.logsumexp(y, 2, True)
        logits: torch.Tensor = self.head(weights.mean(1) / (1.5 + weights.var(1)))
        return logits


DEEP = given.by_kind(
    {
        **dict(cast(Any, COMPLETE).pairs),
        Kind.SOFTMAX: cast(Any, deep_lift_rules.RULES[Kind.SOFTMAX]),
        Kind.LOG_SOFTMAX: deep_lift_rules.RULES[Kind.LOG_SOFTMAX],
        Kind.LOGSUMEXP: deep_lift_rules.RULES[Kind.LOGSUMEXP],
        Kind.DIV: deep_lift_rules.RULES[Kind.DIV],
        Kind.MIN: deep_lift_rules.RULES[Kind.MIN],
    }
)


SHAPE = (2, 10, 10)
NETS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "plain": (plain, SHAPE),
    "functional": (Functional, SHAPE),
    "gates": (Gates, SHAPE),
    "attention": (Attention, (6, 4)),
}


@pytest.fixture(params=NETS, name="case")
def any_net(request: pytest.FixtureRequest) -> tuple[nn.Module, torch.Tensor]:
    build, shape = NETS[request.param]
    return settled(build(), *shape), torch.randn(3, *shape, dtype=torch.float64)


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


@dataclass(frozen=True)
class Inspect(Rule):
    """Calls a function with each operation; the derivative goes on."""

    look: Callable[[Any], None]

    def __call__(self, op: Any, grad: Any) -> Any:
        self.look(op)
        found = op.vjp(grad)
        assert [one.shape for one in found] == [one.shape for one in op.inputs]
        return found


def inspect(net: Any, x: torch.Tensor, rules: Any) -> None:
    model = backlight.wrap(net, framework="torch")
    score = bound(model, x, Class(1))
    plain_one = model.gradient(x, score)
    found = model.gradient(x, score, rules=rules, reference=x[:1] * 0.5)
    same(found.gradient, plain_one.gradient)


def run_again(op: Any) -> None:
    same(op.replay(), op.output)
    same(op.reference.replay(), op.reference.output)
    assert tuple(op.output.shape) == op.operation.shape
    if op.params:
        same(op.replay(params=op.params), op.output)
        no_bias = {"weight": op.params["weight"]}
        (zero,) = op.vjp(torch.zeros_like(op.output), params=no_bias)
        assert not zero.any()
        assert zero.shape == op.inputs[0].shape
        start = op.replay(inputs=[torch.zeros_like(op.inputs[0])], params=no_bias)
        assert not start.any()


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


def size(x: torch.Tensor) -> torch.Tensor:
    return (x * x).mean(-1, keepdim=True) + 1e-6


def normed_by_hand(x: torch.Tensor) -> torch.Tensor:
    d = x - x.mean(-1, keepdim=True)
    return d * torch.rsqrt((d * d).mean(-1, keepdim=True) + 1e-6) * torch.linspace(0.5, 1.5, 6)


def normed_in_a_line(x: torch.Tensor) -> torch.Tensor:
    """As Keras writes it."""
    mean, scale = x.mean(-1, keepdim=True), torch.linspace(0.5, 1.5, 6).double()
    divisor = torch.rsqrt(x.var(-1, keepdim=True) + 1e-6) * scale
    return x * divisor - mean * divisor


def moved(x: torch.Tensor) -> torch.Tensor:
    scaled = (-size(x).rsqrt() / 3.0 * torch.ones(6)).float().double()
    return scaled.t().contiguous().t()[:, :1].expand_as(x).reshape(x.shape)


QUOTIENTS: dict[str, tuple[Callable[[torch.Tensor], torch.Tensor], list[int | None]]] = {
    "power": (lambda x: x * size(x) ** -0.5, [1]),
    "power of an array": (lambda x: x * size(x) ** torch.full((6,), -0.5), [1]),
    "positive power": (lambda x: x * size(x) ** 1.5, [None]),
    "one over a root": (lambda x: 2.0 / size(x).sqrt() * x, [0]),
    "array over": (lambda x: torch.ones(6) / size(x) * x, [0]),
    "both": (lambda x: size(x).reciprocal() * x.exp().reciprocal(), [0]),
    "moved and scaled": (lambda x: x * moved(x), [1]),
    "in place": (lambda x: (x + 1.0).mul_(size(x).rsqrt()), [1]),
    "shifted": (lambda x: x * (1.0 + size(x).rsqrt()), [None]),
    "joined": (lambda x: x[:, :2] * torch.cat([size(x).rsqrt(), x[:, :1]], 1), [None]),
    "another factor": (lambda x: x * (x.sin() * size(x).rsqrt()), [1, None]),
    "quotient": (lambda x: x / size(x).sqrt(), []),
    "by hand": (normed_by_hand, [1]),
    "in a line": (normed_in_a_line, [1, 1]),
    "layer norm": (nn.LayerNorm(6, eps=1e-6).double(), [1]),
    "group norm": (nn.GroupNorm(2, 6, eps=1e-6).double(), [1]),
    "rms norm": (nn.RMSNorm(6, eps=1e-6).double(), [1]),
    "layer norm, function": (lambda x: functional.layer_norm(x, (6,), eps=1e-6), [1]),
}


@pytest.mark.parametrize("spelling", QUOTIENTS)
def test_products_that_are_quotients_say_so(spelling: str) -> None:
    net, places = QUOTIENTS[spelling]
    x = torch.randn(3, 6, dtype=torch.float64)
    found = backlight.wrap(net, framework="torch").operations(x, rules=DEEP)
    assert [one.reciprocal for one in found if one.kind is Kind.MUL] == places
    assert {one.reciprocal for one in found if one.kind is not Kind.MUL} <= {None}


@pytest.mark.parametrize(
    "spelling", ["by hand", "in a line", "layer norm", "group norm", "rms norm"]
)
def test_normalisations_of_a_flat_baseline_keep_their_digits(spelling: str) -> None:
    norm, _ = QUOTIENTS[spelling]
    weights = torch.randn(6, 6, 6, dtype=torch.float64)

    def net(x: torch.Tensor) -> torch.Tensor:
        for weight in weights:
            x = norm(x @ weight)
        return x

    found = backlight.explain(
        backlight.wrap(net, framework="torch"),
        torch.randn(5, 6, dtype=torch.float64),
        target=1,
        method=backlight_methods.DeepLIFT(baseline=0.0),
    )
    assert tensor(found.values).abs().max() < 1e3
    assert found.gap is not None and tensor(found.gap).max() <= 1e-9


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(4, 5, bidirectional=True, num_layers=2, batch_first=True)
        self.gru = nn.GRU(10, 5, batch_first=True)
        self.head = nn.Linear(5, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.head(self.gru(self.lstm(x)[0])[0][:, -1])
        return logits


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_recurrent_cells_are_looked_into(dtype: torch.dtype) -> None:
    """In single precision, the LSTM is one fused operation."""
    net = Recurrent().to(dtype)
    x = torch.randn(2, 3, 4, dtype=dtype)
    model = backlight.wrap(net)
    score = bound(model, x, Class(1))
    close = (
        {"rtol": 1e-9, "atol": 1e-10} if dtype is torch.float64 else {"rtol": 1e-4, "atol": 1e-6}
    )
    native = model.gradient(x, score, rules=NATIVE)
    same(native.gradient, model.gradient(x, score).gradient, **close)
    reference = torch.randn(1, 3, 4, dtype=dtype)
    found = model.gradient(x, score, rules=DEEP, reference=reference)
    parts = ((x - reference) * tensor(found.gradient)).flatten(1).sum(1)
    same(parts, tensor(found.score) - tensor(found.reference_score), **close)
    assert {Kind.SIGMOID, Kind.TANH, Kind.MUL, Kind.DENSE} <= set(kinds(found.operations))
    assert Kind.OTHER not in kinds(found.operations)
    assert {one.name for one in found.operations} == {"lstm", "gru", "head"}


def scripted(net: nn.Module, x: torch.Tensor) -> Any:
    script = torch.jit.script(net)
    for _ in range(4):  # until the profiling executor has optimised it
        script(x.clone().requires_grad_()).sum().backward()
    return script


def loaded(net: nn.Module, x: torch.Tensor) -> Any:
    buffer = io.BytesIO()
    torch.jit.save(torch.jit.trace(net, x), buffer)
    buffer.seek(0)
    return torch.jit.load(buffer)


class Checkpointed(nn.Module):
    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return cast(torch.Tensor, checkpoint(self.net, x, use_reentrant=False))


FORMS: dict[str, Callable[[nn.Module, torch.Tensor], Any]] = {
    "scripted": scripted,
    "loaded": loaded,
    "exported": lambda net, x: torch.export.export(net, (x,)),
    "exported for any number": lambda net, x: torch.export.export(
        net, (x,), dynamic_shapes=({0: torch.export.Dim("n")},)
    ),
    "compiled": lambda net, x: torch.compile(net, backend="eager"),
    "checkpointed": lambda net, x: Checkpointed(net),
}


@pytest.mark.filterwarnings("ignore:.*torch.jit")
@pytest.mark.parametrize("form", FORMS)
def test_a_net_in_another_form_has_the_same_rules(form: str) -> None:
    net = settled(Functional(), *SHAPE)
    x = torch.randn(3, *SHAPE, dtype=torch.float64)
    eager, model = backlight.wrap(net), backlight.wrap(FORMS[form](net, x))
    score = bound(eager, x, Class([0, 1, 2]))
    for rules, reference in ((GUIDED, None), (EPSILON_FOLDED, None), (COMPLETE, x[:1] * 0.5)):
        expected = eager.gradient(x, score, rules=rules, reference=reference)
        for rows in (3, 2):
            part = bound(model, x[:rows], Class([0, 1, 2][:rows]))
            found = model.gradient(x[:rows], part, rules=rules, reference=reference)
            same(found.gradient, tensor(expected.gradient)[:rows])
            assert kinds(found.operations) == kinds(expected.operations)
    if "ed" in form and form not in ("scripted", "loaded", "checkpointed"):
        assert [one.name for one in found.operations if one.kind in LINEAR] == [
            "one",
            "two",
            "up",
            "head",
        ]


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


def test_extra_arguments_and_several_inputs() -> None:
    def net(x: torch.Tensor, z: torch.Tensor, mask: torch.Tensor, scale: float) -> torch.Tensor:
        return torch.relu(x * mask - z).cumsum(1) * scale * x

    arrays = {name: torch.randn(3, 4, dtype=torch.float64) for name in ("x", "z")}
    mask = torch.rand(3, 4, dtype=torch.float64)
    model = backlight.wrap(net, framework="torch")
    inputs = model.prepare(cast(Any, arrays), extra={"mask": mask, "scale": 2.0})
    score = Class([0, 1, 2]).bind(model.outputs(inputs), 3)
    reference = {name: torch.randn(1, 4, dtype=torch.float64) for name in ("x", "z")}
    found = model.gradient(inputs, score, rules=COMPLETE, reference=cast(Any, reference))
    gradient = cast(dict[str, torch.Tensor], found.gradient)
    parts = sum((arrays[k] - reference[k]) * gradient[k] for k in arrays)
    change = tensor(found.score) - tensor(found.reference_score)
    same(cast(torch.Tensor, parts).sum(1), change)
    assert kinds(found.operations) == [
        Kind.SCALE,
        Kind.ADD,
        Kind.RELU,
        Kind.SUM,
        Kind.SCALE,
        Kind.MUL,
    ]


def test_keras_on_torch_has_the_same_operations() -> None:
    program = """
        import os
        os.environ["KERAS_BACKEND"] = "torch"
        import torch
        import keras, numpy as np, backlight
        from backlight import Class
        from backlight.testing.rules import EPSILON_FOLDED, NATIVE, by_kind
        from tests.backends.test_torch_rules import DEEP, bound
        keras.utils.set_random_seed(0)
        start = keras.Input((6, 6, 2))
        y = keras.layers.Conv2D(3, 3, name="conv")(start)
        y = keras.layers.BatchNormalization(name="norm")(y)
        y = keras.layers.Activation("relu", name="act")(y)
        y = keras.layers.Conv2D(4, 2, name="two", activation="silu")(y)
        y = keras.layers.MaxPooling2D(name="pool", padding="same")(y)
        y = keras.layers.LayerNormalization(name="layer")(y)
        y = keras.layers.Reshape((4, 4))(y)
        y = y + keras.layers.MultiHeadAttention(2, 2, name="attention")(y, y)
        y = keras.layers.Flatten(name="flat")(y)
        net = keras.Model(start, keras.layers.Dense(4, activation="softmax", name="end")(y))
        for weight in net.get_layer("norm").weights:
            weight.assign(np.random.rand(3) + 0.5)
        x = torch.randn(3, 6, 6, 2)
        model = backlight.wrap(net)
        score = bound(model, x, Class([0, 1, 2]))
        plain = model.gradient(x, score)
        native = model.gradient(x, score, rules=NATIVE)
        torch.testing.assert_close(native.gradient, plain.gradient, rtol=1e-3, atol=1e-7)
        found = model.gradient(x, score, rules=DEEP, reference=x[:1] * 0)
        change = found.score - found.reference_score
        torch.testing.assert_close((x * found.gradient).sum((1, 2, 3)), change, rtol=1e-4, atol=1e-6)
        for one in model.operations(x, score=score, rules=EPSILON_FOLDED):
            print(one.kind.value, one.name)
    """
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", textwrap.dedent(program)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.split("\n")
    assert lines[:5] == [
        "convolution conv",
        "relu act",
        "convolution two",
        "silu two",
        "max_pool pool",
    ]
    assert lines[-3:] == ["dense end", "softmax end", ""]
    assert not [line for line in lines if line.startswith("other")]


def convolutions_taken_back(explain: Callable[[], object]) -> int:
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as seen:
        explain()
    # The kernel on a CPU in float64: what is left out is called, but does not come that far.
    return sum(one.count for one in seen.key_averages() if one.key == "aten::_slow_conv2d_backward")


@pytest.mark.parametrize("normalised", [False, True])
def test_a_derivative_that_a_rule_replaces_is_not_taken(normalised: bool) -> None:
    behind = [nn.BatchNorm2d(4)] if normalised else []
    net = nn.Sequential(
        nn.Conv2d(3, 4, 3), *behind, nn.ReLU(), nn.Conv2d(4, 4, 3), nn.Flatten(), nn.Linear(64, 3)
    )
    net.double().eval()
    x, method = torch.rand(2, 3, 8, 8, dtype=torch.float64), backlight_methods.LRP()
    model = backlight.wrap(net)
    method(model, x, 1)
    assert convolutions_taken_back(lambda: method(model, x, 1)) == 3
    assert torch._C._len_torch_dispatch_stack() == 0


class Tokens(nn.Module):
    """Layers over tokens, which PyTorch multiplies with examples and tokens as one axis."""

    def __init__(self, axis: int) -> None:
        super().__init__()
        self.axis = axis
        self.inner, self.keys, self.head = nn.Linear(8, 8), nn.Linear(8, 8), nn.Linear(8, 3)
        self.rows: list[int] = []

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.rows.append(len(x))
        x = torch.tanh(self.inner(x.transpose(0, self.axis)))
        own = (x * self.keys(x)).sum(-1, keepdim=True).softmax(1 - self.axis)
        return cast(torch.Tensor, self.head(own * x).mean(1 - self.axis))


@pytest.mark.parametrize("axis", [0, 1], ids=["examples first", "tokens first"])
def test_a_shared_reference_runs_alone_where_examples_are_the_first_factor(axis: int) -> None:
    torch.manual_seed(0)
    net = Tokens(axis).double().eval()
    x, baseline = torch.randn(4, 5, 8).double(), torch.randn(5, 8).double()
    explain = backlight_methods.DeepLIFT(baseline=baseline)
    explain(net, x, 1)
    net.rows.clear()
    found = explain(net, x, 1)
    assert (1 in net.rows) is (axis == 0)
    assert found.gap is not None
    assert found.gap.max() < 1e-14
    alone = [explain(net, x[row : row + 1], 1).values for row in range(4)]
    torch.testing.assert_close(found.values, torch.cat(alone), rtol=1e-10, atol=1e-14)
