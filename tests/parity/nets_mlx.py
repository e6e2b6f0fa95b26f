"""The nets as modules of mlx.nn, and functions where it has none."""

from collections.abc import Callable

import mlx.core as mx
import numpy as np
from mlx import nn

from tests.parity.nets import CHANNELS, HEADS, TOKENS, WIDTH, Weights, weights


def native(values: np.ndarray, dtype: str) -> mx.array:
    return mx.array(values, dtype=getattr(mx, dtype))


def layer(made: nn.Module, **held: np.ndarray) -> nn.Module:
    made.update({name: mx.array(values) for name, values in held.items()})
    return made


class Layers(nn.Module):
    """Every layer that any net has."""

    def __init__(self, held: Weights, dtype: str) -> None:
        super().__init__()

        def given(name: str, *order: int) -> dict[str, mx.array]:
            kernel = held[name].transpose(order)
            return {"weight": native(kernel, dtype), "bias": native(held[f"{name}.bias"], dtype)}

        for name, inputs, groups in (("conv1", 3, 1), ("conv2", 8, 1), ("depthwise", 8, 8)):
            made = nn.Conv2d(inputs, CHANNELS, 3, padding=1, groups=groups)
            order = (2, 0, 1, 3) if groups > 1 else (3, 0, 1, 2)
            self[name] = made.update(given(name, *order))
        for name in ("squeeze", "excite", "head", "query", "key", "value", "out", "up", "down"):
            self[name] = nn.Linear(*held[name].shape).update(given(name, 1, 0))
        for name in ("norm1", "norm2"):
            parts = {part: native(held[f"{name}.{part}"], dtype) for part in (
                "scale", "shift", "mean", "variance")}  # fmt: skip
            affine = {"weight": parts["scale"], "bias": parts["shift"]}
            statistics = {"running_mean": parts["mean"], "running_var": parts["variance"]}
            made = nn.BatchNorm(CHANNELS, eps=1e-3)
            self[f"batch_{name}"] = made.update({**affine, **statistics})
            self[f"layer_{name}"] = nn.LayerNorm(WIDTH).update(affine)


class Net(nn.Module):
    def __init__(self, name: str, dtype: str) -> None:
        super().__init__()
        self.name = name
        self.layers = Layers(weights(name), dtype)

    def __call__(self, x: mx.array) -> mx.array:
        return getattr(self, self.name)(self.layers, x)

    def top(self, x: mx.array) -> mx.array:
        return self.layers.head(x.mean((1, 2)))

    def cnn(self, part: Layers, x: mx.array) -> mx.array:
        x = nn.MaxPool2d(2)(nn.relu(part.conv1(x)))
        return self.top(nn.relu(part.conv2(x)))

    def batch_norm(self, part: Layers, x: mx.array) -> mx.array:
        x = nn.relu(part.batch_norm1(part.conv1(x) - part.conv1.bias))
        return self.top(nn.relu(x + part.batch_norm2(part.conv2(x) - part.conv2.bias)))

    def overlapping_pools(self, part: Layers, x: mx.array) -> mx.array:
        x = nn.MaxPool2d(3, 2)(nn.relu(part.conv1(x)))
        return self.top(nn.MaxPool2d(3, 1)(nn.relu(part.conv2(x))))

    def reused_relu(self, part: Layers, x: mx.array) -> mx.array:
        relu = nn.ReLU()
        x = relu(part.conv1(x))
        x = relu(part.conv2(x)) - 0.1
        x = mx.maximum(part.conv2(x), 0.0)
        x = part.conv2(x)
        return self.top(mx.where(x > 0, x, 0.0))

    def squeeze_excite(self, part: Layers, x: mx.array) -> mx.array:
        x = nn.silu(part.depthwise(nn.silu(part.conv1(x))))
        squeezed = nn.silu(part.squeeze(x.mean((1, 2))))
        return self.top(x * mx.sigmoid(part.excite(squeezed))[:, None, None])

    def gelu(self, part: Layers, x: mx.array) -> mx.array:
        return self.top(nn.gelu(part.conv2(nn.gelu(part.conv1(x)))))

    def attention(self, part: Layers, x: mx.array) -> mx.array:
        split = (-1, TOKENS, HEADS, WIDTH // HEADS)
        query, key, value = (
            part[name](x).reshape(split).transpose(0, 2, 1, 3) for name in ("query", "key", "value")
        )
        scale = (WIDTH // HEADS) ** -0.5
        mixed = mx.fast.scaled_dot_product_attention(query, key, value, scale=scale)
        return part.out(mixed.transpose(0, 2, 1, 3).reshape(-1, TOKENS, WIDTH))

    def feed_forward(self, part: Layers, x: mx.array) -> mx.array:
        return part.down(nn.gelu(part.up(x)))

    def encoder_pre_norm(self, part: Layers, x: mx.array) -> mx.array:
        x = x + self.attention(part, part.layer_norm1(x))
        return part.head((x + self.feed_forward(part, part.layer_norm2(x))).mean(1))

    def encoder_post_norm(self, part: Layers, x: mx.array) -> mx.array:
        x = part.layer_norm1(x + self.attention(part, x))
        return part.head(part.layer_norm2(x + self.feed_forward(part, x)).mean(1))


def net(name: str, dtype: str = "float64") -> Callable[[mx.array], mx.array]:
    return Net(name, dtype)
