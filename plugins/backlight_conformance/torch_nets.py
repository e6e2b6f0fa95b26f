"""The golden nets in PyTorch: a module whose layers have the names of the weights."""

from typing import ClassVar, cast, final

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from backlight.testing import Builder, Net
from backlight.testing.nets import EPSILON_BATCH_NORM, EPSILON_LAYER_NORM, HEADS, Values
from backlight.values.arrays import Channels

PARTS = {"kernel": "weight", "scale": "weight", "shift": "bias"}
PARTS |= {"bias": "bias", "mean": "running_mean", "variance": "running_var"}


def laid_out(values: Values) -> Tensor:
    axes = {4: (3, 2, 0, 1), 2: (1, 0), 1: (0,)}[values.ndim]
    return torch.from_numpy(np.ascontiguousarray(values.transpose(axes)))


def layer(parts: dict[str, tuple[int, ...]]) -> nn.Module:
    """A layer for weights of these names and shapes."""
    if "mean" in parts:
        return nn.BatchNorm2d(parts["mean"][0], EPSILON_BATCH_NORM)
    if "scale" in parts:
        return nn.LayerNorm(parts["scale"][0], EPSILON_LAYER_NORM)
    *places, given, made = parts["kernel"]
    return nn.Conv2d(given, made, 3, padding=1) if places else nn.Linear(given, made)


@final
class TorchNet(nn.Module):
    """`Layers` on tensors."""

    def __init__(self, net: Net, dtype: str):
        super().__init__()
        self.net = net
        shapes: dict[str, dict[str, tuple[int, ...]]] = {}
        for key, values in net.weights.items():
            name, _, part = key.partition(".")
            shapes.setdefault(name, {})[part] = values.shape
        for name, parts in shapes.items():
            self.add_module(name, layer(parts))
        self.to(getattr(torch, dtype)).eval()
        for key, values in net.weights.items():
            self.set_weight(key, values)

    def set_weight(self, key: str, values: Values) -> None:
        name, _, part = key.partition(".")
        with torch.no_grad():
            held = cast(Tensor, getattr(self.get_submodule(name), PARTS[part]))
            held.copy_(laid_out(values))

    def forward(self, *inputs: Tensor) -> Tensor:
        return cast(Tensor, self.net.run(self, *inputs))

    def layer(self, x: Tensor, name: str) -> Tensor:
        return cast(Tensor, self.get_submodule(name)(x))

    convolution = batch_norm = dense = layer_norm = layer

    def attention(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        def heads(x: Tensor) -> Tensor:
            return x.reshape(*x.shape[:2], HEADS, -1).transpose(1, 2)

        found = functional.scaled_dot_product_attention(heads(query), heads(key), heads(value))
        return found.transpose(1, 2).flatten(2)

    def relu(self, x: Tensor) -> Tensor:
        return functional.relu(x)

    def gelu(self, x: Tensor) -> Tensor:
        return functional.gelu(x)

    def sigmoid(self, x: Tensor) -> Tensor:
        return torch.sigmoid(x)

    def softmax(self, x: Tensor) -> Tensor:
        return x.softmax(-1)

    def max_pool(self, x: Tensor) -> Tensor:
        return functional.max_pool2d(x, 2)

    def mean_of_places(self, x: Tensor) -> Tensor:
        return x.mean((2, 3))

    def mean_of_tokens(self, x: Tensor) -> Tensor:
        return x.mean(1)

    def add(self, x: Tensor, y: Tensor) -> Tensor:
        return x + y

    def multiply(self, x: Tensor, y: Tensor) -> Tensor:
        return x * y

    def concat(self, x: Tensor, y: Tensor) -> Tensor:
        return torch.cat([x, y], -1)


class TorchBuilder(Builder):
    """Golden nets as modules."""

    framework: ClassVar[str] = "torch"
    channels: ClassVar[Channels] = "first"

    def build(self, net: Net, dtype: str) -> TorchNet:
        return TorchNet(net, dtype)

    def edit(self, built: object, name: str, values: Values) -> None:
        cast(TorchNet, built).set_weight(name, values)

    def state(self, built: object) -> object:
        net = cast(TorchNet, built)
        hooks = [
            (len(one._forward_hooks), len(one._forward_pre_hooks), len(one._backward_hooks))
            for one in net.modules()
        ]
        flags = [(one.requires_grad, one.grad is None) for one in net.parameters()]
        return [one.training for one in net.modules()], hooks, flags
