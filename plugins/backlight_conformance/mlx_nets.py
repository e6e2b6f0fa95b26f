"""The golden nets in MLX: a module whose layers have the names of the weights."""

from typing import ClassVar, cast, final

import mlx.core as mx
import numpy as np
from mlx.nn.layers.activations import gelu, relu
from mlx.nn.layers.base import Module
from mlx.nn.layers.convolution import Conv2d
from mlx.nn.layers.linear import Linear
from mlx.nn.layers.normalization import BatchNorm, LayerNorm
from mlx.nn.layers.pooling import MaxPool2d

from backlight.testing import Builder, Net
from backlight.testing.nets import EPSILON_BATCH_NORM, EPSILON_LAYER_NORM, HEADS, Values
from backlight.values.arrays import Channels

PARTS = {"kernel": "weight", "scale": "weight", "shift": "bias"}
PARTS |= {"bias": "bias", "mean": "running_mean", "variance": "running_var"}


def laid_out(values: Values) -> mx.array:
    axes = (values.ndim - 1, *range(values.ndim - 1))  # the output's channels come first
    return mx.array(values.transpose(axes).astype(np.float32))


def layer(parts: dict[str, tuple[int, ...]]) -> Module:
    """A layer for weights of these names and shapes."""
    if "mean" in parts:
        return BatchNorm(parts["mean"][0], EPSILON_BATCH_NORM)
    if "scale" in parts:
        return LayerNorm(parts["scale"][0], EPSILON_LAYER_NORM)
    *places, given, made = parts["kernel"]
    return Conv2d(given, made, 3, padding=1) if places else Linear(given, made)


@final
class MLXNet(Module):
    """`Layers` on MLX's arrays."""

    def __init__(self, net: Net):
        super().__init__()  # type: ignore[no-untyped-call]
        self.net = net
        shapes: dict[str, dict[str, tuple[int, ...]]] = {}
        for key, values in net.weights.items():
            name, _, part = key.partition(".")
            shapes.setdefault(name, {})[part] = values.shape
        for name, parts in shapes.items():
            self[name] = layer(parts)
        for key, values in net.weights.items():
            self.set_weight(key, values)
        self.eval()

    def set_weight(self, key: str, values: Values) -> None:
        name, _, part = key.partition(".")
        self[name][PARTS[part]] = laid_out(values)

    def __call__(self, *inputs: mx.array) -> mx.array:
        return cast(mx.array, self.net.run(self, *inputs))

    def layer(self, x: mx.array, name: str) -> mx.array:
        return cast(mx.array, self[name](x))

    convolution = batch_norm = dense = layer_norm = layer

    def attention(self, query: mx.array, key: mx.array, value: mx.array) -> mx.array:
        def heads(x: mx.array) -> mx.array:
            return x.reshape(*x.shape[:2], HEADS, -1).swapaxes(1, 2)

        query, key, value = heads(query), heads(key), heads(value)
        scale = float(query.shape[-1]) ** -0.5
        found = mx.fast.scaled_dot_product_attention(query, key, value, scale=scale)
        return found.swapaxes(1, 2).flatten(2)

    def relu(self, x: mx.array) -> mx.array:
        return cast(mx.array, relu(x))

    def gelu(self, x: mx.array) -> mx.array:
        return gelu(x)

    def sigmoid(self, x: mx.array) -> mx.array:
        return mx.sigmoid(x)

    def softmax(self, x: mx.array) -> mx.array:
        return mx.softmax(x, axis=-1)

    def max_pool(self, x: mx.array) -> mx.array:
        return cast(mx.array, MaxPool2d(2)(x))

    def mean_of_places(self, x: mx.array) -> mx.array:
        return x.mean((1, 2))

    def mean_of_tokens(self, x: mx.array) -> mx.array:
        return x.mean(1)

    def add(self, x: mx.array, y: mx.array) -> mx.array:
        return x + y

    def multiply(self, x: mx.array, y: mx.array) -> mx.array:
        return x * y

    def concat(self, x: mx.array, y: mx.array) -> mx.array:
        return mx.concatenate([x, y], -1)


class MLXBuilder(Builder):
    """Golden nets as modules, in float32: the last digits of float64 are not in MLX's convolutions,
    exp and erf."""

    framework: ClassVar[str] = "mlx"
    channels: ClassVar[Channels] = "last"
    dtypes: ClassVar[tuple[str, ...]] = ("float32",)

    def build(self, net: Net, dtype: str) -> MLXNet:
        return MLXNet(net)

    def edit(self, built: object, name: str, values: Values) -> None:
        cast(MLXNet, built).set_weight(name, values)

    def state(self, built: object) -> object:
        modules = cast(MLXNet, built).modules()  # type: ignore[no-untyped-call]
        return [module.training for module in modules]
