"""The PyTorch backend: errors."""

from typing import Any, cast

import pytest
import torch
from torch import nn

import backlight
from backlight import Class
from backlight.errors import (
    InputTypeError,
    ModelError,
    SiteError,
    UnknownNameError,
)
from tests.backends.torch.model.nets import bound, convolutional, images


def test_errors_of_the_net_say_what_it_got() -> None:
    model = backlight.wrap(nn.Sequential(nn.Flatten(), nn.Linear(8, 2)))
    with pytest.raises(ModelError, match=r"float32 \(3, 5\).*in_features=8.*shapes cannot") as info:
        model.predict(torch.randn(3, 5))
    assert isinstance(info.value.__cause__, RuntimeError)
    with pytest.raises(ModelError, match=r"float64 \(3, 8\).*weights are float32"):
        model.predict(torch.randn(3, 8, dtype=torch.float64))
    with pytest.raises(InputTypeError, match=r"builtins\.list"):
        model.predict([1.0])  # type: ignore[arg-type]


def test_errors_of_the_backward_pass_say_so() -> None:
    class Once(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
            return x.clone()

        @staticmethod
        def backward(ctx: Any, *grads: Any) -> Any:
            raise ArithmeticError("no way back")

    model, x = backlight.wrap(lambda x: Once.apply(x), "torch"), torch.randn(2, 3)
    with pytest.raises(ModelError, match="backward pass raised ArithmeticError: no way back"):
        model.gradient(x, bound(model, x, Class(1)))


def test_unknown_sites_name_the_nearest() -> None:
    model, x = backlight.wrap(convolutional()), images()
    score = bound(model, x, Class(1))
    for verb in (
        lambda: model.gradient(x, score, at="curv"),
        lambda: model.activation(x, "curv"),
        lambda: model.site(x, "curv"),
        lambda: model.score(x, score, at="curv", value=cast(Any, x)),
    ):
        with pytest.raises(UnknownNameError, match="Nearest: curve"):
            verb()
    with pytest.raises(UnknownNameError, match="'curve:3'"):
        model.gradient(x, score, at="curve:3")
    with pytest.raises(SiteError, match=r"\(3, 3, 2, 2\), got \(3, 2, 6, 6\)"):
        model.gradient(x, score, at="curve", value=cast(Any, x))
