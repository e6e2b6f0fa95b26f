"""Rules in the PyTorch backend: forms."""

import io
from collections.abc import Callable
from typing import Any, cast

import pytest
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

import backlight
from backlight import Class
from backlight.rules.operations import LINEAR, Kind
from backlight.testing.rules import (
    COMPLETE,
    EPSILON_FOLDED,
    GUIDED,
    NATIVE,
)
from tests.backends.torch.rules.nets import (
    DEEP,
    SHAPE,
    Functional,
    bound,
    kinds,
    same,
    settled,
    tensor,
)


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
