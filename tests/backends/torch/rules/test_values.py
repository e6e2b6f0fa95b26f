"""Values under rules in PyTorch, against closed forms and the same thing written by hand."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

import backlight
from backlight import Class, Neuron, Shared
from backlight import Function as FunctionScore
from backlight.errors import ModelError, TargetError
from backlight.rules.operations import Kind
from backlight.rules.rules import AppliedOperation, Rule
from backlight.testing.rules import by_kind
from backlight.values.arrays import Array
from backlight.values.baselines import Several
from backlight_methods import LRP, Deconvnet, DeepLIFT, Gradient
from backlight_torch.engine.hooks import Hooks
from tests.methods.test_deep_lift import revealed

Function = Callable[[torch.Tensor], torch.Tensor]


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)
    backlight.forget()


def numbers(*shape: int, seed: int = 1) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).normal(size=shape))


def same(found: Any, expected: Any) -> None:
    torch.testing.assert_close(found, expected, rtol=1e-11, atol=1e-12)


# Scores inside the net, a baseline that all examples share


@pytest.mark.parametrize("rule", ["rescale", "reveal_cancel"])
@pytest.mark.parametrize("baseline", [0.1, Several([0.1, -0.2])])
def test_an_inner_score_with_a_shared_baseline(rule: Any, baseline: Any) -> None:
    net = nn.Sequential(nn.Linear(5, 6), nn.ReLU(), nn.Linear(6, 3)).double()
    x, method = numbers(4, 5), DeepLIFT(baseline=baseline, rule=rule)
    first, rows = cast(nn.Linear, net[0]), list[int]()
    handle = first.register_forward_hook(lambda module, given, out: rows.append(len(out)))
    linear = method(net, x, Neuron("0", (1,)))
    # One baseline that all share runs alone; several go through the net together, for each example.
    assert (1 if baseline == 0.1 else 2 * 4) in rows
    handle.remove()
    middle = 0.1 if baseline == 0.1 else -0.05
    same(linear.values, ((x - middle) * first.weight[1]).detach())
    together = method(net, x, Neuron("1", (1,)))
    assert together.gap.max() < 1e-12
    for row in range(4):
        alone = method(net, x[row : row + 1], Neuron("1", (1,)))
        same(together.values[row], alone.values[0])


# Linear operations with the weight on either side, however many axes there are

A, HEADS, OWN = numbers(6, 5, seed=2), numbers(3, 4, 4, seed=3), numbers(4, 5, 6, seed=4)


def by_head(x: torch.Tensor) -> torch.Tensor:
    """One matrix for each head, between the positions."""
    heads = x.reshape(x.shape[0], 4, 3, 2).transpose(1, 2)
    return (HEADS @ heads).transpose(1, 2).reshape(x.shape[0], 24)


LINEAR: dict[str, tuple[tuple[int, ...], Callable[[torch.Tensor, torch.Tensor], torch.Tensor]]] = {
    "weight on the right": ((5,), lambda x, i: x @ A.T),
    "weight on the left": ((5,), lambda x, i: (A @ x[:, :, None]).reshape(-1, 2, 3)),
    "each its own weight": (
        (5,),
        lambda x, i: torch.einsum("nio,ni->no", OWN[i], x).reshape(-1, 3, 2),
    ),
    "each its own weight, turned": (
        (5,),
        lambda x, i: torch.einsum("ni,nio->on", x, OWN[i]).T.reshape(-1, 3, 2),
    ),
    "heads": ((4, 6), lambda x, i: by_head(x)),
    "positions": ((4, 5), lambda x, i: (HEADS[0] @ x).transpose(1, 2).flatten(1)),
    "three axes": ((4, 5), lambda x, i: torch.einsum("hst,ntf->nfhs", HEADS, x).flatten(1)),
    "three axes, turned": (
        (4, 5),
        lambda x, i: torch.einsum("ntf,hst->hnsf", x, HEADS).transpose(0, 1).flatten(2),
    ),
    "batches of batches": (
        (2, 2, 5),
        lambda x, i: (numbers(1, 2, 2, 3, 5, seed=5) @ x[..., None]).flatten(2).transpose(1, 2),
    ),
    "tensordot": (
        (4, 5),
        lambda x, i: torch.tensordot(HEADS, x, ([2], [1])).permute(2, 3, 0, 1),
    ),
}


def jacobian(function: Function, x: torch.Tensor) -> torch.Tensor:
    """Of a linear function at one example, (outputs, inputs)."""
    rows = torch.autograd.functional.jacobian(lambda one: function(one[None]).reshape(-1), x)
    return cast(torch.Tensor, rows).reshape(-1, x.numel())


@pytest.mark.parametrize("rule", ["rescale", "reveal_cancel"])
@pytest.mark.parametrize("name", LINEAR)
def test_a_linear_operation_before_a_rectifier(name: str, rule: Any) -> None:
    shape, function = LINEAR[name]
    x, start, i = numbers(2, *shape, seed=6), numbers(*shape, seed=7), torch.tensor([2, 1])

    def net(x: torch.Tensor, i: torch.Tensor) -> torch.Tensor:
        y = torch.relu(function(x, i)).reshape(x.shape[0], -1)
        return y @ numbers(y.shape[1], 2, seed=8)

    found = DeepLIFT(rule=rule, baseline=start)(net, x, 1, extra=(i,))
    assert found.gap.max() < 1e-11
    for row in (0, 1):
        weight = jacobian(lambda one, row=row: function(one, i[row : row + 1]), x[row])
        one, other, out = x[row].reshape(-1), start.reshape(-1), numbers(len(weight), 2, seed=8)
        # Reveal-cancel needs a neuron: where its outputs are moved apart it is the rescale rule.
        if rule == "rescale" or name != "weight on the right":
            z, z_start = weight @ one, weight @ other
            slopes = weight.T * ((z.relu() - z_start.relu()) / (z - z_start))
        else:
            bias = np.zeros(len(weight))
            slopes = torch.from_numpy(revealed(one.numpy(), other.numpy(), weight.T.numpy(), bias))
        same(found.values[row].reshape(-1), slopes @ out[:, 1] * (one - other))
    relevance = LRP()(net, x, 1, extra=(i,))  # no bias: nothing is kept
    torch.testing.assert_close(
        relevance.values.flatten(1).sum(1), torch.from_numpy(relevance.score), rtol=1e-4, atol=1e-4
    )


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weights, self.softmax = nn.Linear(5, 16), nn.Softmax(-1)
        self.head = nn.Linear(8, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        q, k = self.weights(x).reshape(x.shape[0], 4, 2, 8).transpose(1, 2).chunk(2, -1)
        shares = self.softmax(q @ k.transpose(-1, -2))
        mixed = (shares @ k).transpose(1, 2).reshape(x.shape[0], 4, 8)
        return cast(torch.Tensor, self.head(mixed.relu()).mean(1))


def test_at_an_attention_softmax() -> None:
    net, x = Attention().double(), numbers(2, 4, 5)
    k = net.weights(x).reshape(2, 4, 2, 8).transpose(1, 2).chunk(2, -1)[1].detach()
    found = DeepLIFT(baseline=0.25)(net, x, 1, at="softmax")
    shares = backlight.wrap(net).activation(x, "softmax")
    z, start = cast(Any, shares) @ k, torch.full_like(cast(Any, shares), 0.25) @ k
    slope = (z.relu() - start.relu()) / (z - start)
    out = net.head.weight[1].detach().reshape(2, 1, 4) / 4  # by head: of each position's mean
    same(found.values, ((slope * out) @ k.mT) * (cast(Any, shares) - 0.25))
    assert found.gap.max() < 1e-12
    assert LRP()(net, x, 1, at="softmax").values.shape == shares.shape


# Attention that may look nowhere


def fused(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    return functional.scaled_dot_product_attention(q, k, v, mask)


def by_hand(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    weights = (q @ k.mT / q.shape[-1] ** 0.5).masked_fill(~mask, -1e300).softmax(-1)
    return (weights * mask) @ v


def test_a_fully_masked_row_of_fused_attention() -> None:
    mask = torch.ones(4, 4, dtype=torch.bool).tril()
    mask[0], mask[:, 0] = False, False  # padded on the left
    w = numbers(5, 18)

    def net(attention: Callable[..., torch.Tensor]) -> Function:
        def run(x: torch.Tensor) -> torch.Tensor:
            q, k, v = (x @ w).chunk(3, -1)
            return cast(torch.Tensor, attention(q, k, v, mask)).sum(1)

        return run

    x = numbers(3, 4, 5, seed=2)
    for baseline in (0.0, 0.3):
        found = DeepLIFT(baseline=baseline)(net(fused), x, 1)
        same(found.values, DeepLIFT(baseline=baseline)(net(by_hand), x, 1).values)
        assert found.gap.max() < 1e-12
    fused_lrp, lrp = (LRP()(net(one), x, 1).values for one in (fused, by_hand))
    torch.testing.assert_close(fused_lrp, lrp, rtol=0.0, atol=1e-5)  # up to epsilon's share


# Complex numbers, against the same in real ones


def spectrum(x: torch.Tensor) -> torch.Tensor:
    return torch.fft.rfft(x).abs()


def spectrum_by_hand(x: torch.Tensor) -> torch.Tensor:
    count = x.shape[1]
    steps = torch.arange(count, dtype=x.dtype)
    turns = steps[:, None] * steps[None, : count // 2 + 1] / count * 2 * torch.pi
    return ((x @ turns.cos()).square() + (x @ turns.sin()).square()).sqrt()


def filtered(x: torch.Tensor) -> torch.Tensor:
    return torch.fft.irfft(torch.fft.rfft(x) * torch.fft.rfft(x.tanh()), n=x.shape[1])


def filtered_by_hand(x: torch.Tensor) -> torch.Tensor:
    shifted = torch.stack([x.tanh().roll(n, 1) for n in range(x.shape[1])], 1)
    return (x[:, :, None] * shifted).sum(1)


@pytest.mark.parametrize("name", ["spectrum", "filtered"])
def test_complex_numbers_are_two_real_ones(name: str) -> None:
    pair = {"spectrum": (spectrum, spectrum_by_hand), "filtered": (filtered, filtered_by_hand)}
    inner, outer, x = numbers(5, 6), numbers(6, 2, seed=2), numbers(4, 5, seed=3)

    def net(function: Function) -> Function:
        def run(x: torch.Tensor) -> torch.Tensor:
            y = function(x @ inner)
            return y @ outer[: y.shape[1]]

        return run

    found, expected = (DeepLIFT(baseline=0.1)(net(one), x, 1) for one in pair[name])
    torch.testing.assert_close(found.values, expected.values, rtol=1e-9, atol=1e-11)
    assert found.gap.max() < 1e-12
    found, expected = (Gradient()(net(one), x, 1) for one in pair[name])
    torch.testing.assert_close(found.values, expected.values, rtol=1e-9, atol=1e-11)
    found, expected = (LRP()(net(one), x, 1) for one in pair[name])
    if name == "spectrum":  # by hand the last sums are a linear operation, with a share of epsilon
        assert np.isfinite(found.gap).all()
    else:
        torch.testing.assert_close(found.values, expected.values, rtol=1e-4, atol=1e-6)


# The norm of nothing

NORMS: dict[str, Function] = {
    "norm": lambda x: x.norm(dim=1, keepdim=True),
    "vector_norm": lambda x: torch.linalg.vector_norm(x, dim=1, keepdim=True),
    "third": lambda x: torch.linalg.vector_norm(x, 3, dim=1, keepdim=True),
    "cdist": lambda x: torch.cdist(x[:, None], x[:, None] * 0)[:, 0],
    "std": lambda x: x.std(1, keepdim=True),
    "complex": lambda x: torch.fft.rfft(x).abs().sum(1, keepdim=True),
    "by hand": lambda x: x.square().sum(1, keepdim=True).sqrt(),
}


@pytest.mark.filterwarnings("ignore:Every value is exactly 0")
@pytest.mark.parametrize("name", NORMS)
def test_the_norm_of_nothing(name: str) -> None:
    weight, x = numbers(5, 6), numbers(3, 5, seed=2)
    x[1] = 0

    def net(x: torch.Tensor) -> torch.Tensor:
        return NORMS[name](torch.relu(x @ weight)) * torch.tensor([1.0, 2.0])

    found = DeepLIFT()(net, x, 1)
    assert not found.values[1].any()
    assert found.gap.max() < 1e-12
    alone = DeepLIFT()(net, x[::2], 1)
    same(found.values[::2], alone.values)
    far = DeepLIFT(baseline=0.3)(net, x, 1)
    assert far.gap.max() < 1e-11
    if name in ("norm", "vector_norm", "cdist", "std"):  # whose own derivative is 0 there
        assert not Deconvnet()(net, x, 1).values[1].any()


# After errors


@dataclass(frozen=True)
class Breaking(Rule):
    """A rule with a fault in it."""

    def __call__(self, op: AppliedOperation, grad: Array) -> Sequence[Array]:
        raise ArithmeticError("a rule's own")


def everything(net: nn.Module, x: torch.Tensor) -> list[Any]:
    return [
        *((id(one), one.training) for one in net.modules()),
        *(len(one._forward_hooks) + len(one._forward_pre_hooks) for one in net.modules()),
        *((one.requires_grad, one.grad, one.grad_fn) for one in net.parameters()),
        (x.requires_grad, x.grad_fn, x.is_leaf),
        torch.is_grad_enabled(),
    ]


@pytest.mark.parametrize("at", [None, "0"])
@pytest.mark.parametrize("fault", ["rule", "rule inside", "score", "installing"])
def test_errors_leave_the_model_as_it_was(
    fault: str, at: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    net = nn.Sequential(nn.Linear(5, 6), nn.ReLU(), nn.LayerNorm(6), nn.Linear(6, 3)).train()
    x, rules = torch.randn(4, 5), by_kind({Kind.RELU: Breaking()})
    if fault == "rule inside":
        rules = by_kind({Kind.RSQRT: Breaking()})

    def score(outputs: object, arrays: object) -> Any:
        raise ArithmeticError("a score's own")

    if fault == "installing":
        monkeypatch.setattr(Hooks, "install", lambda self: 1 / 0)
    target = FunctionScore(score) if fault == "score" else Class(1)
    model = backlight.wrap(net)
    before = everything(net, x)
    with pytest.raises((ArithmeticError, ModelError, TargetError)):
        model.gradient(x, target.bind(model.outputs(x), 4), rules=rules, at=at)
    assert everything(net, x) == before
    if fault == "score":
        with pytest.raises((ArithmeticError, TargetError)):
            model.connection(x, target.bind(model.outputs(x), 4), at=at)
        assert everything(net, x) == before


def test_what_was_opened_before_is_run_with_the_constants_of_now() -> None:
    def net(x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return functional.scaled_dot_product_attention(x, x.flip(1), x, attn_mask=mask).sum(1)

    def explained(model: Any, mask: torch.Tensor) -> torch.Tensor:
        return cast(torch.Tensor, method(model, x, 1, extra=(Shared(mask),)).values)

    x, method = numbers(2, 3, 4), DeepLIFT(baseline=numbers(2, 3, 4, seed=2))
    model = backlight.wrap(net, framework="torch")
    lower, whole = torch.ones(3, 3, dtype=torch.bool).tril(), torch.ones(3, 3, dtype=torch.bool)
    again = [explained(model, mask) for mask in (lower, lower, lower.mT, whole)]
    backlight.forget()
    anew = [explained(backlight.wrap(net, framework="torch"), one) for one in (lower.mT, whole)]
    same(again[1], again[0])
    same(again[2:], anew)
    assert not torch.allclose(again[2], again[0])


DIFFERENCES: dict[str, tuple[Function, Callable[[torch.Tensor, torch.Tensor], torch.Tensor]]] = {
    "rsqrt": (
        torch.rsqrt,
        lambda x, y: (y - x) / (x.sqrt() * y.sqrt() * (x.sqrt() + y.sqrt())),
    ),
    "sigmoid": (
        torch.sigmoid,
        lambda x, y: torch.sinh((x - y) / 2) / (2 * torch.cosh(x / 2) * torch.cosh(y / 2)),
    ),
    "tanh": (torch.tanh, lambda x, y: torch.sinh(x - y) / (torch.cosh(x) * torch.cosh(y))),
}
"""Functions of each number, and their differences without any of nearly equal numbers."""


@pytest.mark.parametrize("start", [0.3, 2.0])
@pytest.mark.parametrize("name", DIFFERENCES)
def test_multipliers_keep_their_digits_near_the_baseline_and_far(name: str, start: float) -> None:
    function, difference = DIFFERENCES[name]
    x = (start + 10.0 ** torch.arange(-14.0, 3.0).double())[:, None]
    model = backlight.wrap(lambda x: 2.0 * function(x), framework="torch")  # no probabilities
    found = DeepLIFT(baseline=start)(model, x, 0)
    torch.testing.assert_close(
        found.values,
        2.0 * difference(x, torch.tensor(start, dtype=torch.float64)),
        rtol=1e-13 if name == "rsqrt" else 1e-9,
        atol=0.0,
    )
