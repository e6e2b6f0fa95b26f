"""Rules in the PyTorch backend: fixtures."""

import pytest
import torch
from torch import nn

import backlight
from tests.backends.torch.rules.nets import NETS, settled


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)
    torch.set_num_threads(1)
    backlight.forget()


@pytest.fixture(params=NETS, name="case")
def any_net(request: pytest.FixtureRequest) -> tuple[nn.Module, torch.Tensor]:
    build, shape = NETS[request.param]
    return settled(build(), *shape), torch.randn(3, *shape, dtype=torch.float64)
