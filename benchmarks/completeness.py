"""Integrated gradients and Captum's at equal completeness error: gradients spent, and time.

Ours is asked for a tolerance, which bounds the estimated error of the values as well. Captum has none:
its steps are doubled until every example's gap is within the tolerance, and only the last run is timed,
which is to its advantage.
"""

from time import process_time

import numpy as np
import torch
from captum.attr import IntegratedGradients as Peer

import backlight
from backlight_demo import efficientnet_lite0, efficientnet_lite0_torch, fashion, fashion_torch
from backlight_demo.photos import photos
from backlight_methods import IntegratedGradients


class Counted(torch.nn.Module):
    """A net that counts the rows it is given while gradients are on."""

    def __init__(self, net: torch.nn.Module) -> None:
        super().__init__()
        self.net, self.rows = net, 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.rows += len(x) if torch.is_grad_enabled() else 0
        return self.net(x)


def compare(name: str, net: torch.nn.Module, x: np.ndarray, labels: np.ndarray, tolerance: float):
    counted = Counted(net).eval()
    pixels, classes = torch.from_numpy(x), torch.from_numpy(labels)
    method = IntegratedGradients(steps=16, tolerance=tolerance)
    model = backlight.wrap(counted)
    IntegratedGradients(steps=2)(model, pixels, classes)  # what a first call sets up is not counted
    counted.rows, started = 0, process_time()
    found = method(model, pixels, classes)
    ours, our_rows = process_time() - started, counted.rows
    steps, rows = 16, len(x)
    with torch.no_grad():
        at = torch.arange(len(x))
        change = (net(pixels) - net(torch.zeros_like(pixels)))[at, classes]
    while True:
        counted.rows, started = 0, process_time()
        _, delta = Peer(counted).attribute(
            pixels,
            target=classes,
            n_steps=steps,
            internal_batch_size=max(rows, 16),
            return_convergence_delta=True,
        )
        theirs, their_rows = process_time() - started, counted.rows
        if bool((delta.abs() <= tolerance * change.abs()).all()) or steps >= 1600:
            break
        steps *= 2
    relative = found.relative_gap
    assert relative is not None
    print(
        f"{name:20} tolerance {tolerance:g}: ours {our_rows:7} rows {ours:7.2f} s (worst gap "
        f"{relative.max():.2g}); Captum {their_rows:7} rows {theirs:7.2f} s at {steps} steps (worst "
        f"{float((delta.abs() / change.abs()).max()):.2g}); time ratio {ours / theirs:.2f}",
        flush=True,
    )


def main() -> None:
    torch.set_num_threads(1)
    images, labels = fashion.examples()
    x = fashion.pictures(images[:32], "first", "float32")
    for tolerance in (0.05, 0.01):
        compare("fashion", fashion_torch.net(), x, labels[:32], tolerance)
    shown = list(photos().values())[:2]
    crops = np.stack([efficientnet_lite0.prepare(photo.picture) for photo in shown])
    pixels = efficientnet_lite0.pixels(crops, "first", "float32")
    target = np.array([photo.label for photo in shown], dtype=np.int64)
    for tolerance in (0.05,):
        compare("efficientnet_lite0", efficientnet_lite0_torch.net(), pixels, target, tolerance)


if __name__ == "__main__":
    main()
