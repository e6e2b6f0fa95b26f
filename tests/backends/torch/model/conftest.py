"""The PyTorch backend: fixtures."""

import pytest
import torch

import backlight


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)
    backlight.forget()
