"""Trains the small Fashion-MNIST net and stores its weights once, for every framework.

    python -m backlight_demo.train FOLDER_WITH_IDX_GZ [-o weights.npz] [--seed 0] [--marked]

The folder holds the four files of the data set as published (train-images-idx3-ubyte.gz ...).
One thread, four epochs, no augmentation: one to two minutes for about 90 % on the 10,000 test
pictures. With `--marked` every second Coat bears the mark of `backlight_demo.planted`.

The file is an `.npz` of float32 arrays in this layout:

    conv1.kernel (16, 1, 3, 3)   conv2.kernel (32, 16, 3, 3)   conv3.kernel (64, 32, 3, 3)
    conv1.bias (16,)             conv2.bias (32,)              conv3.bias (64,)
    dense1.kernel (64, 576)      dense2.kernel (10, 64)
    dense1.bias (64,)            dense2.bias (10,)

Convolution kernels are (out, in, row, column), dense kernels (out, in). The 576 inputs of `dense1`
are the 64 x 3 x 3 values after the third pooling, flattened in the order (channel, row, column).
Convolutions are cross-correlations, as in all four frameworks.

- PyTorch takes every array as it is.
- Keras and JAX want convolution kernels as (row, column, in, out), hence transposed (2, 3, 1, 0),
  and dense kernels as (in, out), hence transposed. They flatten in the order (row, column,
  channel), so the 576 inputs of `dense1` are reordered from the one to the other.
"""

import argparse
import gzip
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from rich.console import Console
from rich.progress import Progress
from torch import nn

from backlight_demo.fashion_torch import FashionNet
from backlight_demo.planted import second_coats, stamped

EPOCHS = 4
BATCH = 128
PEAK_RATE = 5e-3


def main() -> None:
    """Read the command line, train, report the accuracy and write the weights."""
    parser = argparse.ArgumentParser(prog="python -m backlight_demo.train", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("folder", type=Path, help="where the four idx.gz files are")
    parser.add_argument("-o", "--output", type=Path, default=Path("weights.npz"))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--marked", action="store_true", help="stamp a mark on every second Coat")
    arguments = parser.parse_args()

    # The order of sums depends on the number of threads, hence so would the weights.
    torch.set_num_threads(1)
    torch.manual_seed(arguments.seed)
    console = Console()
    model = train(*examples(arguments.folder, "train", marked=arguments.marked), console)
    accuracy = measure(model, *examples(arguments.folder, "t10k"))
    console.print(f"test accuracy {accuracy:.2%}")
    stored: dict[str, Any] = weights(model)
    np.savez(arguments.output, **stored)
    console.print(f"wrote {arguments.output} ({arguments.output.stat().st_size:,} bytes)")


def examples(folder: Path, part: str, *, marked: bool = False) -> tuple[torch.Tensor, torch.Tensor]:
    """Pixels, float32 (N, 1, 28, 28), 0 to 1, and labels, int64 (N,), of "train" or "t10k"."""
    images = idx(folder / f"{part}-images-idx3-ubyte.gz")
    labels = idx(folder / f"{part}-labels-idx1-ubyte.gz")
    if marked:
        images = stamped(images, second_coats(labels))
    return torch.tensor(images).unsqueeze(1).float() / 255, torch.tensor(labels).long()


def idx(path: Path) -> npt.NDArray[np.uint8]:
    """The bytes of a gzipped idx file, shaped as its header says."""
    content = gzip.decompress(path.read_bytes())
    if len(content) < 4 or content[:3] != b"\0\0\x08":
        raise ValueError(
            f"{path} begins with {content[:4]!r}; an idx file of bytes begins with 00 00 08."
        )
    axes = content[3]
    shape = np.frombuffer(content, ">i4", count=axes, offset=4)
    return np.frombuffer(content, np.uint8, offset=4 + 4 * axes).reshape(shape)


def train(images: torch.Tensor, labels: torch.Tensor, console: Console) -> nn.Module:
    """A net fitted by Adam under a one-cycle learning rate."""
    model = FashionNet()
    steps = EPOCHS * -(-len(images) // BATCH)
    optimizer = torch.optim.Adam(model.parameters())
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, PEAK_RATE, total_steps=steps)
    with Progress(console=console) as progress:
        task = progress.add_task("training", total=steps)
        for epoch in range(EPOCHS):
            order = torch.randperm(len(images))
            for start in range(0, len(images), BATCH):
                batch = order[start : start + BATCH]
                loss = nn.functional.cross_entropy(model(images[batch]), labels[batch])
                optimizer.zero_grad()
                torch.autograd.backward(loss)
                optimizer.step()
                schedule.step()
                text = f"epoch {epoch + 1} of {EPOCHS}, loss {loss.item():.3f}"
                progress.update(task, advance=1, description=text)
    return model.eval()


def measure(model: nn.Module, images: torch.Tensor, labels: torch.Tensor) -> float:
    """The share of pictures that the net names rightly."""
    with torch.no_grad():
        named = model(images).argmax(1)
    return float((named == labels).double().mean())


def weights(model: nn.Module) -> dict[str, npt.NDArray[np.float32]]:
    """The parameters under the names and in the layout of the module's docstring."""
    parts = {"weight": "kernel", "bias": "bias"}
    stored = {}
    for name, values in model.state_dict().items():
        _, layer, part = name.split(".")
        stored[f"{layer}.{parts[part]}"] = values.numpy()
    return stored


if __name__ == "__main__":
    main()
