"""The PyTorch backend: functions."""

import functools
from typing import Any, cast

import numpy as np
import pytest
import torch
from torch import nn

import backlight
from backlight import Class
from backlight.errors import (
    NoBackendError,
)
from tests.backends.torch.model.nets import bound, names_of

NET = nn.Sequential(nn.Linear(4, 3), nn.Tanh(), nn.Dropout(0.5)).double()


def through_global(x: torch.Tensor) -> torch.Tensor:
    return cast(torch.Tensor, NET(x)).exp()


class Holder:
    def __init__(self) -> None:
        self.net = NET

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        return cast(torch.Tensor, self.net(x)).exp()

    def method(self, x: torch.Tensor) -> torch.Tensor:
        return self(x)


@pytest.mark.parametrize("style", ["closure", "global", "partial", "object", "method", "bound"])
def test_functions_show_the_modules_they_call(style: str) -> None:
    net = NET
    function: Any = {
        "closure": lambda x: net(x).exp(),
        "global": through_global,
        "partial": functools.partial(lambda inner, x: inner(x).exp(), NET),
        "object": Holder(),
        "method": Holder().method,
        "bound": NET.forward,
    }[style]
    x = np.random.default_rng(0).normal(size=(2, 4))
    assert NET.training
    model = backlight.wrap(function, inputs=x)  # NumPy arrays do not tell the framework
    assert {"0", "1", "2"} <= set(names_of(model, x))
    hidden = np.tanh(x @ NET[0].weight.detach().numpy().T + NET[0].bias.detach().numpy())
    after = hidden if style == "bound" else np.exp(hidden)
    np.testing.assert_allclose(model.to_numpy(cast(Any, model.predict(x))), after, rtol=1e-12)
    found = cast(Any, model.gradient(x, bound(model, x, Class(1)), at="1").gradient)
    expected = np.zeros((2, 3))
    expected[:, 1] = 1 if style == "bound" else after[:, 1]
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-12)
    assert NET.training


def test_a_function_of_two_modules_names_them_by_its_variables() -> None:
    first, second = nn.Sequential(nn.Linear(4, 3)), nn.Linear(3, 2)
    model = backlight.wrap(lambda x: second(first(x)), "torch")
    assert names_of(model, torch.randn(2, 4)) == ["first.0", "first", "second"]


def test_whose_a_net_is() -> None:
    assert backlight.wrap(lambda x: x * 2, inputs=torch.ones(1)).framework == "torch"
    assert backlight.wrap(lambda x: x * 2, inputs={"x": torch.ones(1)}).framework == "torch"
    with pytest.raises(NoBackendError):
        backlight.wrap(lambda x: x * 2, inputs=np.ones(1))
    with pytest.raises(NoBackendError):
        backlight.wrap(nn.Linear(1, 1), framework="other")
    assert backlight.wrap(nn.Conv2d(1, 1, 1)).channels == "first"
    assert backlight.wrap(nn.Linear(1, 1), channels="last").channels == "last"
