"""Nets that peers explain rightly: modules in a row, each rectifier one of its own."""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray

from backlight_demo import fashion, fashion_torch

COUNT = 2


def batch_norm_net() -> torch.nn.Module:
    """Two convolutions, each with batch normalisation; what it adds to the variance is next to nothing,
    as Zennit leaves that out."""
    net = torch.nn.Sequential(
        torch.nn.Conv2d(2, 6, 3, bias=False),
        torch.nn.BatchNorm2d(6, eps=1e-12),
        torch.nn.ReLU(),
        torch.nn.MaxPool2d(2),
        torch.nn.Conv2d(6, 8, 3),
        torch.nn.BatchNorm2d(8, eps=1e-12),
        torch.nn.ReLU(),
        torch.nn.AvgPool2d(2),
        torch.nn.Flatten(),
        torch.nn.Linear(8 * 4, 10),
    )
    rng = np.random.default_rng(3)
    with torch.no_grad():
        for tensor in (*net.parameters(), *net.buffers()):
            if tensor.is_floating_point():
                fan = max(1, tensor[0].numel())
                tensor.copy_(torch.from_numpy(rng.normal(size=tuple(tensor.shape)) / fan**0.5))
        for module in net:
            if isinstance(module, torch.nn.BatchNorm2d):
                module.running_var.copy_(
                    torch.from_numpy(rng.uniform(0.5, 1.5, len(module.weight)))
                )
    return net.double().eval()


NETS: dict[str, tuple[Callable[[], torch.nn.Module], NDArray[np.float64], NDArray[np.int64]]] = {
    "fashion": (
        lambda: fashion_torch.net("float64"),
        fashion.pictures(fashion.examples()[0][:COUNT], "first", "float64"),
        fashion.examples()[1][:COUNT],
    ),
    "batch_norm": (
        batch_norm_net,
        np.random.default_rng(5).normal(size=(COUNT, 2, 14, 14)),
        np.array([3, 7]),
    ),
}
"""By name: the net, pictures and classes."""
