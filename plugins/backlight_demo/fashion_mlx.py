"""The Fashion-MNIST net in MLX."""

import mlx.core as mx
from mlx.nn.layers.activations import relu
from mlx.nn.layers.base import Module
from mlx.nn.layers.convolution import Conv2d
from mlx.nn.layers.linear import Linear
from mlx.nn.layers.pooling import MaxPool2d

from backlight_demo import fashion


class FashionNet(Module):
    """Three convolutions and two dense layers: (N, 28, 28, 1) pixels in, (N, 10) logits out."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        width = 1
        for number, (name, out) in enumerate(fashion.CHANNELS.items(), start=1):
            self[name] = Conv2d(width, out, kernel_size=3, padding=1)
            self[f"pool{number}"] = MaxPool2d(2)
            width = out
        channel, row, column = fashion.FLAT
        self.dense1 = Linear(channel * row * column, 64)
        self.dense2 = Linear(64, len(fashion.CLASSES))

    def __call__(self, pixels: mx.array) -> mx.array:
        x = pixels
        for number, name in enumerate(fashion.CHANNELS, start=1):
            x = self[f"pool{number}"](relu(self[name](x)))
        logits: mx.array = self.dense2(relu(self.dense1(x.flatten(1))))
        return logits


def net(dtype: str = "float32", trained: fashion.Trained = "plain") -> Module:
    """The trained net.

    Args:
        dtype: "float32" or "float64", of parameters and input. MLX convolves the latter on the CPU
            only, with the accuracy of the former.
        trained: on the data set as it is, or with the mark of `backlight_demo.planted`.

    Returns:
        A module from pixels (N, 28, 28, 1) between 0 and 1 to logits (N, 10).
    """
    model = FashionNet()
    for name, values in fashion.channels_last(trained).items():
        layer, part = name.split(".")
        # Kernels are (height, width, in, out), MLX has the output's channels first.
        order = (values.ndim - 1, *range(values.ndim - 1)) if part == "kernel" else (0,)
        kind = "weight" if part == "kernel" else "bias"
        model[layer][kind] = mx.array(values.transpose(order), dtype=getattr(mx, dtype))
    return model.eval()
