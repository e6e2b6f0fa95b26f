"""The nets as JAX functions: jax.nn, jax.numpy and lax."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import lax

from tests.parity.nets import CHANNELS, HEADS, PICTURES, TOKENS, WIDTH, weights

Array = jax.Array


class Parts:
    def __init__(self, name: str, dtype: str):
        self.held = {key: value.astype(dtype) for key, value in weights(name).items()}

    def conv(self, x: Array, name: str, bias: bool = True) -> Array:
        kernel = self.held[name]
        groups = CHANNELS if name == "depthwise" else 1
        if name == "depthwise":
            kernel = kernel.transpose(0, 1, 3, 2)
        numbers = ("NHWC", "HWIO", "NHWC")
        found = lax.conv_general_dilated(
            x, kernel, (1, 1), "SAME", dimension_numbers=numbers, feature_group_count=groups
        )
        return found + self.held[f"{name}.bias"] if bias else found

    def dense(self, x: Array, name: str) -> Array:
        return x @ self.held[name] + self.held[f"{name}.bias"]

    def batch_norm(self, x: Array, name: str) -> Array:
        mean, variance, scale, shift = (
            self.held[f"{name}.{part}"] for part in ("mean", "variance", "scale", "shift")
        )
        return (x - mean) * lax.rsqrt(variance + 1e-3) * scale + shift

    def layer_norm(self, x: Array, name: str) -> Array:
        mean = x.mean(-1, keepdims=True)
        variance = jnp.square(x - mean).mean(-1, keepdims=True)
        normal = (x - mean) / jnp.sqrt(variance + 1e-5)
        return normal * self.held[f"{name}.scale"] + self.held[f"{name}.shift"]

    def attention(self, x: Array) -> Array:
        split = (-1, TOKENS, HEADS, WIDTH // HEADS)
        query, key, value = (
            self.dense(x, name).reshape(split) for name in ("query", "key", "value")
        )
        scores = jnp.einsum("nqhd,nkhd->nhqk", query, key) / jnp.sqrt(WIDTH // HEADS)
        mixed = jnp.einsum("nhqk,nkhd->nqhd", jax.nn.softmax(scores), value)
        return self.dense(mixed.reshape(-1, TOKENS, WIDTH), "out")

    def feed_forward(self, x: Array) -> Array:
        return self.dense(jax.nn.gelu(self.dense(x, "up"), approximate=False), "down")

    def top(self, x: Array) -> Array:
        return self.dense(x.mean((1, 2)), "head")


def pooled(x: Array, size: int, stride: int) -> Array:
    return lax.reduce_window(
        x, -jnp.inf, lax.max, (1, size, size, 1), (1, stride, stride, 1), "VALID"
    )


def pictures(name: str, dtype: str) -> Callable[[Array], Array]:
    part = Parts(name, dtype)

    def cnn(x: Array) -> Array:
        x = pooled(jax.nn.relu(part.conv(x, "conv1")), 2, 2)
        return part.top(jax.nn.relu(part.conv(x, "conv2")))

    def batch_norm(x: Array) -> Array:
        x = jax.nn.relu(part.batch_norm(part.conv(x, "conv1", bias=False), "norm1"))
        x = x + part.batch_norm(part.conv(x, "conv2", bias=False), "norm2")
        return part.top(jnp.maximum(x, 0))

    def overlapping_pools(x: Array) -> Array:
        x = pooled(jax.nn.relu(part.conv(x, "conv1")), 3, 2)
        return part.top(pooled(jax.nn.relu(part.conv(x, "conv2")), 3, 1))

    def reused_relu(x: Array) -> Array:
        x = jax.nn.relu(part.conv(x, "conv1"))
        x = jax.nn.relu(part.conv(x, "conv2")) - 0.1
        x = jnp.maximum(part.conv(x, "conv2"), 0.0)
        x = part.conv(x, "conv2")
        return part.top(jnp.where(x > 0, x, 0.0))

    def squeeze_excite(x: Array) -> Array:
        x = jax.nn.silu(part.conv(x, "conv1"))
        x = jax.nn.silu(part.conv(x, "depthwise"))
        squeezed = jax.nn.silu(part.dense(x.mean((1, 2)), "squeeze"))
        return part.top(x * jax.nn.sigmoid(part.dense(squeezed, "excite"))[:, None, None])

    def gelu(x: Array) -> Array:
        x = jax.nn.gelu(part.conv(x, "conv1"), approximate=False)
        return part.top(jax.nn.gelu(part.conv(x, "conv2"), approximate=False))

    functions = (cnn, batch_norm, overlapping_pools, reused_relu, squeeze_excite, gelu)
    return {one.__name__: one for one in functions}[name]


def encoder(name: str, dtype: str) -> Callable[[Array], Array]:
    part = Parts(name, dtype)

    def pre_norm(x: Array) -> Array:
        x = x + part.attention(part.layer_norm(x, "norm1"))
        return part.dense((x + part.feed_forward(part.layer_norm(x, "norm2"))).mean(1), "head")

    def post_norm(x: Array) -> Array:
        x = part.layer_norm(x + part.attention(x), "norm1")
        return part.dense(part.layer_norm(x + part.feed_forward(x), "norm2").mean(1), "head")

    return pre_norm if name == "encoder_pre_norm" else post_norm


def net(name: str, dtype: str = "float64") -> Callable[[Array], Array]:
    return pictures(name, dtype) if name in PICTURES else encoder(name, dtype)
