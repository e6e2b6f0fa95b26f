"""The PyTorch backend: outputs."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import pytest
import torch
from torch import nn
from torch.nn import functional

import backlight
from backlight.values.outputs import OutputSpec
from tests.backends.torch.model.nets import Reader


class Ends(nn.Module):
    def __init__(self, end: Callable[[torch.Tensor], Any]) -> None:
        super().__init__()
        self.end, self.drop = end, nn.Dropout()

    def forward(self, x: torch.Tensor) -> Any:
        return self.end(x * 2)


def overwritten(y: torch.Tensor) -> torch.Tensor:
    y = y.softmax(1)
    y += 1
    return y


KINDS = {
    "module": (nn.Softmax(dim=1), "probabilities"),
    "method": (lambda y: y.softmax(-1), "probabilities"),
    "log": (lambda y: functional.log_softmax(y, dim=1), "log_probabilities"),
    "cast": (lambda y: functional.softmax(y, 1, dtype=torch.float64).float(), "probabilities"),
    "identity": (
        nn.Sequential(nn.Softmax(1), nn.Dropout(), nn.Identity()),
        "probabilities",
    ),
    "copied": (lambda y: y.softmax(1).clone().contiguous().detach()[:], "probabilities"),
    "scaled": (lambda y: y.softmax(1) * 2, "logits"),
    "overwritten": (overwritten, "logits"),
    "batch": (lambda y: y.softmax(0), "logits"),
    "folded": (lambda y: y.softmax(1).reshape(len(y), 2, 2), "logits"),
    "inner": (lambda y: y.softmax(1) @ torch.ones(4, 4), "logits"),
    "none": (lambda y: y, "logits"),
}


@pytest.mark.parametrize("case", KINDS)
def test_what_the_outputs_hold(case: str) -> None:
    end, kind = KINDS[case]
    x = torch.randn(3, 4)
    model = backlight.wrap(Ends(cast(Any, end)))
    assert cast(Any, model.outputs(x)).kind == kind
    assert cast(Any, backlight.wrap(Ends(cast(Any, end)), outputs="logits").outputs(x)).kind == (
        "logits"
    )


@dataclass(frozen=True)
class Fields:
    raw: torch.Tensor
    p: torch.Tensor


def test_what_nested_and_dense_outputs_hold() -> None:
    def both(y: torch.Tensor) -> Any:
        return {"p": y.softmax(1), "raw": (y, y.log_softmax(1)), "last": y[:, :, None].softmax(2)}

    outputs = cast(Any, backlight.wrap(Ends(both)).outputs(torch.randn(3, 4)))
    assert outputs == {
        "p": OutputSpec((3, 4), "probabilities"),
        "raw": (OutputSpec((3, 4)), OutputSpec((3, 4), "log_probabilities")),
        "last": OutputSpec((3, 4, 1)),
    }
    fields = backlight.wrap(Ends(lambda y: Fields(y, y.softmax(1)))).outputs(torch.randn(3, 4))
    assert fields == {"raw": OutputSpec((3, 4)), "p": OutputSpec((3, 4), "probabilities")}
    ids = torch.randint(0, 11, (2, 5))
    frozen = nn.Sequential(Reader(), nn.Softmax(1))
    assert cast(Any, backlight.wrap(frozen).outputs(ids)).kind == "probabilities"
