"""The PyTorch backend: nets and helpers."""

import subprocess
import sys
import textwrap
from collections.abc import Callable
from typing import Any, cast

import torch
from torch import nn
from torch.nn import functional

from backlight.model.model import Model
from backlight.values.outputs import OutputSpec

EXACT = {"rtol": 1e-9, "atol": 1e-11}


DIFFERENCES = {"rtol": 1e-5, "atol": 1e-8}


class Convolutional(nn.Module):
    """Modules, a function, an operation in place, a module used twice, dropout, batch norm."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3), nn.SiLU(inplace=True), nn.AvgPool2d(2)
        )
        self.curve = nn.Tanh()
        self.drop = nn.Dropout(0.5)
        self.head = nn.Linear(12, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.curve(self.features(x)) * 1.5
        y = functional.softplus(self.curve(y))
        logits: torch.Tensor = self.head(self.drop(y.flatten(1)))
        return logits


def convolutional() -> Convolutional:
    net = Convolutional().double()
    net.features(torch.randn(16, 2, 6, 6, dtype=torch.float64))  # batch norm's running statistics
    return net


def images(count: int = 3) -> torch.Tensor:
    return torch.randn(count, 2, 6, 6, dtype=torch.float64)


def central(score: Callable[[torch.Tensor], torch.Tensor], x: torch.Tensor) -> torch.Tensor:
    """d score / dx by central differences, one number of all examples at a time."""
    step, x = 1e-5, x.detach()
    found = torch.zeros_like(x).flatten(1)
    for i in range(found.shape[1]):
        way = torch.zeros_like(found)
        way[:, i] = step
        way = way.reshape(x.shape)
        found[:, i] = (score(x + way) - score(x - way)) / (2 * step)
    return found.reshape(x.shape)


def bound(model: Model, x: Any, score: Any) -> Any:
    inputs = model.prepare(x)
    if score.site is None:
        return score.bind(model.outputs(inputs), inputs.count)
    return score.bind(OutputSpec(model.site(inputs, score.site).shape), inputs.count)


def same(found: Any, expected: Any, **tolerance: float) -> None:
    torch.testing.assert_close(found, expected, **(tolerance or EXACT))


def names_of(model: Model, x: Any) -> list[str]:
    return [site.name for site in model.sites(x)]


AT = ["features.0", "features.1", "features", "curve", "curve:2", "drop", "head"]


class Reader(nn.Module):
    """Token ids through an embedding and a transformer layer with frozen weights."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(11, 8)
        self.encoder = nn.TransformerEncoder(
            nn.TransformerEncoderLayer(8, 2, 12, batch_first=True), 1, enable_nested_tensor=True
        )
        self.head = nn.Linear(8, 3)
        self.double().requires_grad_(False)

    def forward(self, ids: torch.Tensor, padding: torch.Tensor | None = None) -> torch.Tensor:
        y = self.encoder(self.embedding(ids), src_key_padding_mask=padding)
        return cast(torch.Tensor, self.head(y.mean(1)))


def run(code: str) -> str:
    environment = {"KERAS_BACKEND": "torch", "TF_CPP_MIN_LOG_LEVEL": "3", "PATH": ""}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", textwrap.dedent(code)],
        capture_output=True,
        text=True,
        env=environment,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
