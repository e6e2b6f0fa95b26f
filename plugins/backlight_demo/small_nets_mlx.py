"""The nets of texts, tables and series in MLX."""

import mlx.core as mx
from mlx.nn.layers.activations import relu
from mlx.nn.layers.base import Module
from mlx.nn.layers.convolution import Conv1d
from mlx.nn.layers.embedding import Embedding
from mlx.nn.layers.linear import Linear

from backlight_demo.small_nets import CONVOLUTIONS, DENSE, Demonstrated, Weights, layers, weights


class SmallNet(Module):
    """Ids (N, L), rows (N, columns) or series (N, L, 1) in, logits out; see `small_nets`."""

    def __init__(self, found: Weights) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.convolutions = layers(found, CONVOLUTIONS)
        *self.before, self.last = layers(found, DENSE)
        if "embedding" in found:
            self.embedding = Embedding(*found["embedding"].shape)
            self.embedding.weight = mx.array(found["embedding"])
        for name in self.convolutions:
            length, width, out = found[f"{name}.kernel"].shape
            self[name] = Conv1d(width, out, length, padding=length // 2)
            # Kernels are (moments, in, out), MLX has the output's channels first.
            self[name].weight = mx.array(found[f"{name}.kernel"].transpose(2, 0, 1))
            self[name].bias = mx.array(found[f"{name}.bias"])
        for name in (*self.before, self.last):
            self[name] = Linear(*found[f"{name}.kernel"].shape)
            self[name].weight = mx.array(found[f"{name}.kernel"].T)
            self[name].bias = mx.array(found[f"{name}.bias"])

    def __call__(self, x: mx.array) -> mx.array:
        if "embedding" in self:
            x = self.embedding(x)
        for name in self.convolutions:
            x = relu(self[name](x))
        if self.convolutions:
            x = x.max(axis=1)
        for name in self.before:
            x = relu(self[name](x))
        logits: mx.array = self[self.last](x)
        return logits


def net(kind: Demonstrated) -> Module:
    """The trained net."""
    return SmallNet(weights(kind)).eval()
