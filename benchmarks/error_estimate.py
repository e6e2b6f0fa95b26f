"""How near `Attribution.error` of integrated gradients is to the true error: for each net, rule and
number of steps the median true error, the share of examples within a factor of 2, and the quotient of
estimate and truth at the percentiles 5, 25, 50, 75 and 95.

The truth is taken by 8,192 midpoints; of smooth nets, by 1,024 Gauss-Legendre nodes in float64.

`python -m benchmarks.error_estimate`
"""

import copy
from collections.abc import Iterator

import numpy as np
import torch
from torch import nn

from backlight_demo import fashion, fashion_torch
from backlight_methods import IntegratedGradients
from backlight_methods.gradients.quadrature import NODES

COUNT = 60


def dense(activation: nn.Module, hidden: int, scale: float) -> nn.Module:
    torch.manual_seed(0)
    layers = [nn.Linear(40, hidden), activation, nn.Linear(hidden, hidden), activation]
    net = nn.Sequential(*layers, nn.Linear(hidden, 5))
    for parameter in net.parameters():
        parameter.data *= scale
    return net.requires_grad_(False)


def nets() -> Iterator[tuple[str, nn.Module, torch.Tensor, bool]]:
    """Name, net, inputs, and whether the net is smooth."""
    pictures = fashion.pictures(fashion.examples()[0][:COUNT], "first", "float32")
    yield "fashion_cnn", fashion_torch.net(), torch.tensor(pictures), False
    torch.manual_seed(1)
    rows = torch.randn(COUNT, 40)
    yield "relu_64", dense(nn.ReLU(), 64, 1.0), rows, False
    yield "relu_16", dense(nn.ReLU(), 16, 1.0), rows, False
    yield "tanh", dense(nn.Tanh(), 64, 1.0), rows, True
    yield "steep_tanh", dense(nn.Tanh(), 64, 3.0), rows, True
    yield "steep_gelu", dense(nn.GELU(), 64, 3.0), rows, True


def truth(net: nn.Module, x: torch.Tensor, smooth: bool) -> np.ndarray:
    if smooth:
        technique = IntegratedGradients(steps=1024)
        return technique(copy.deepcopy(net).double(), x.double(), net(x).argmax(1)).numpy()
    technique = IntegratedGradients(steps=8192, rule="midpoint")
    return technique(net, x, batch_size=1024).numpy()


def main() -> None:
    for name, net, x, smooth in nets():
        exact = truth(net, x, smooth).reshape(COUNT, -1)
        for rule in NODES:
            for steps in (20, 50, 128):
                found = IntegratedGradients(steps=steps, rule=rule)(net, x)
                wrong = np.abs(found.numpy().reshape(COUNT, -1) - exact).sum(1)
                true = wrong / np.abs(exact).sum(1)
                ratio = found.error / true
                share = np.mean((ratio > 0.5) & (ratio < 2))
                spread = np.percentile(ratio, [5, 25, 50, 75, 95])
                print(
                    f"{name:12}{rule:16}{steps:4}  true error {np.median(true):8.1e}  "
                    f"estimate {np.median(found.error):8.1e}  within 2: {share:4.0%}  "
                    f"estimate / true {' '.join(f'{one:7.2f}' for one in spread)}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
