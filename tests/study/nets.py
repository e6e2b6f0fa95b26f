"""A small classifier of made-up pictures, on each framework, with the same weights."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

import backlight
from backlight import Examples

RNG = np.random.default_rng(0)
KERNEL = RNG.normal(size=(4, 1, 3, 3)).astype(np.float32) * 0.5
HEAD = RNG.normal(size=(4 * 64, 3)).astype(np.float32) * 0.3
CLASSES = ("battery", "metal", "plastic")
COUNT = 90


def examples(count: int = COUNT) -> Examples:
    """Pictures (N, 8, 8) of bytes with labels drawn at random: about two thirds are mistakes."""
    rng = np.random.default_rng(1)
    pictures = rng.integers(0, 256, (count, 8, 8), dtype=np.uint8)
    names = tuple(f"picture-{number:03}.png" for number in range(count))
    return Examples(pictures, rng.integers(0, 3, count), CLASSES, names)


class Net(torch.nn.Module):
    """Convolution, rectifier, head; `ending` is put behind."""

    def __init__(self, ending: torch.nn.Module | None = None, classes: int = 3) -> None:
        super().__init__()
        self.convolution = torch.nn.Conv2d(1, 4, 3, padding=1, bias=False)
        self.relu = torch.nn.ReLU()
        self.head = torch.nn.Linear(256, classes, bias=False)
        self.ending = ending or torch.nn.Identity()
        self.convolution.weight.data = torch.tensor(KERNEL)
        self.head.weight.data = torch.tensor(HEAD[:, :classes].T)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.ending(self.head(self.relu(self.convolution(x)).flatten(1)))


def torch_net() -> torch.nn.Module:
    return Net().eval()


def keras_net() -> Any:
    import keras

    net = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            keras.layers.Conv2D(4, 3, padding="same", use_bias=False, activation="relu"),
            keras.layers.Permute((3, 1, 2)),
            keras.layers.Flatten(),
            keras.layers.Dense(3, use_bias=False),
        ]
    )
    net.set_weights([KERNEL.transpose(2, 3, 1, 0), HEAD])
    return net


def jax_net() -> Any:
    import jax

    def net(x: Any) -> Any:
        kernel = KERNEL.transpose(2, 3, 1, 0)
        numbers = ("NHWC", "HWIO", "NHWC")
        z = jax.lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=numbers)
        return jax.nn.relu(z).transpose(0, 3, 1, 2).reshape(len(x), -1) @ HEAD

    return backlight.wrap(net, "jax")


def mlx_net() -> Any:
    import mlx.core as mx

    kernel = mx.array(KERNEL.transpose(0, 2, 3, 1))

    def net(x: Any) -> Any:
        z = mx.maximum(mx.conv2d(x, kernel, padding=1), 0)
        return z.transpose(0, 3, 1, 2).reshape(x.shape[0], -1) @ mx.array(HEAD)

    return backlight.wrap(net, "mlx")


NETS = {"torch": torch_net, "tensorflow": keras_net, "jax": jax_net}


def true_classes(found: Examples) -> NDArray[np.int64]:
    """What the torch net says, without any of the code under test."""
    x = torch.tensor(found.x[:, None].astype(np.float32) / 255)
    with torch.no_grad():
        return np.asarray(torch_net()(x).argmax(1).numpy())
