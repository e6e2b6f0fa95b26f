"""Rules in the PyTorch backend: nets and helpers."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import nn
from torch.nn import functional

import backlight
from backlight import Class
from backlight.model.model import Model
from backlight.rules.operations import Kind
from backlight.rules.rules import Rule
from backlight.testing import rules as given
from backlight.testing.rules import (
    COMPLETE,
)
from backlight.values.outputs import OutputSpec
from backlight_methods.deep_lift import rules as deep_lift_rules

EXACT = {"rtol": 1e-11, "atol": 1e-12}


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


def size(x: torch.Tensor) -> torch.Tensor:
    return (x * x).mean(-1, keepdim=True) + 1e-6
