"""Rules in the PyTorch backend: quotients."""

from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.nn import functional

import backlight
import backlight_methods
from backlight.rules.operations import Kind
from tests.backends.torch.rules.nets import DEEP, size, tensor


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


def unit_rows(x: torch.Tensor, bound: torch.Tensor) -> torch.Tensor:
    """As `keras.ops.normalize` computes it, whose bound has 32 bits in float64 too."""
    over = x.square().sum(1, keepdim=True).rsqrt()
    return x * torch.minimum(over.to(bound.dtype), bound)


@pytest.mark.parametrize("size", [1e3, 1e7])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_one_over_nothing_and_its_bound_may_have_other_digits(
    dtype: torch.dtype, size: float
) -> None:
    weight = torch.randn(6, 3, dtype=torch.float64)
    x = torch.randn(5, 6, dtype=torch.float64)

    def explained(dtype: torch.dtype, bound: torch.Tensor) -> torch.Tensor:
        def net(x: torch.Tensor) -> torch.Tensor:
            return unit_rows(x, bound) @ weight.to(dtype)

        found = backlight_methods.DeepLIFT()(backlight.wrap(net, framework="torch"), x.to(dtype), 1)
        return tensor(found.values).double()

    found = explained(dtype, torch.tensor(size, dtype=torch.float32))
    wanted = explained(torch.float64, torch.tensor(size, dtype=torch.float64))
    torch.testing.assert_close(found, wanted, rtol=2e-5, atol=1e-6)
    score = (x / x.norm(dim=1, keepdim=True)) @ weight[:, 1]
    torch.testing.assert_close(wanted.sum(1), score)
