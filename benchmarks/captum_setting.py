"""The nets and the arrays that docs/captum.md speaks of."""

from collections import OrderedDict
from collections.abc import Mapping
from functools import cache
from typing import Any

import torch

SIDE, CELLS, CELL = 12, 3, 4
"""Pictures of so many pixels a side, in cells of so many a side, each of so many pixels."""


class Functional(torch.nn.Module):
    """A net whose rectifiers are functions."""

    def __init__(self, net: torch.nn.Sequential) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for layer in self.net:
            x = torch.relu(x) if isinstance(layer, torch.nn.ReLU) else layer(x)
        return x


class Squares(torch.nn.Module):
    """A weighted sum of squares."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.linspace(-1, 1, 2 * SIDE**2, dtype=torch.float64).reshape(2, SIDE, SIDE)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return (self.weight * x**2).sum((1, 2, 3))[:, None]


def small_net(nonlinearity: type[torch.nn.Module]) -> torch.nn.Sequential:
    torch.manual_seed(0)
    layers = OrderedDict[str, torch.nn.Module](
        conv1=torch.nn.Conv2d(2, 4, 3),
        relu1=nonlinearity(),
        pool=torch.nn.AvgPool2d(2),
        conv2=torch.nn.Conv2d(4, 5, 3),
        relu2=nonlinearity(),
        flatten=torch.nn.Flatten(),
        fc=torch.nn.Linear(45, 3),
    )
    return torch.nn.Sequential(layers).double().eval()


def hypothetical(
    multipliers: tuple[torch.Tensor, ...],
    inputs: tuple[torch.Tensor, ...],
    baselines: tuple[torch.Tensor, ...],
) -> tuple[torch.Tensor, ...]:
    """What Captum's users add themselves: the contribution of each letter of a sequence (N, L, 4)."""
    (factor,), (start,) = multipliers, baselines
    return (factor - (factor * start).sum(-1, keepdim=True),)


def alike(
    original: torch.Tensor, perturbed: torch.Tensor, there: torch.Tensor, **_: object
) -> torch.Tensor:
    """LIME's weight of a coalition, as Ribeiro's code has it for pictures."""
    return torch.exp(-((1 - there.double().mean().sqrt()) ** 2) / 0.25**2)


def strongest(value: torch.Tensor, *_: object) -> torch.Tensor:
    """The neurons of one channel, weighed by where they are."""
    return (value[:, 1] * torch.arange(10.0, dtype=value.dtype)).sum((1, 2))


@cache
def setting() -> Mapping[str, Any]:
    """What the calls of both columns speak of."""
    generator = torch.Generator().manual_seed(1)
    rand = lambda *shape: torch.rand(shape, generator=generator, dtype=torch.float64)  # noqa: E731
    net = small_net(torch.nn.ReLU)
    places = torch.arange(CELLS**2).reshape(CELLS, CELLS).kron(torch.ones(CELL, CELL).long())
    motifs = torch.nn.Sequential(
        torch.nn.Flatten(), torch.nn.Linear(24, 5), torch.nn.ReLU(), torch.nn.Linear(5, 1)
    ).double()
    letters = torch.randint(4, (2, 6), generator=generator)
    return {
        "net": net,
        "smooth": small_net(torch.nn.SiLU),
        "functional": Functional(small_net(torch.nn.ReLU)),
        "squares": Squares(),
        "motifs": motifs,
        "x": rand(2, 2, SIDE, SIDE),
        "labels": torch.tensor([1, 2]),
        "baseline": rand(1, 2, SIDE, SIDE) / 2,
        "background": rand(5, 2, SIDE, SIDE),
        "mask": places[None, None],
        "sequences": torch.nn.functional.one_hot(letters, 4).double(),
        "letters": torch.full((1, 6, 4), 0.25, dtype=torch.float64),
        "hypothetical": hypothetical,
        "alike": alike,
        "strongest": strongest,
    }
