"""The golden nets in JAX: a callable object that holds the weights in a dict."""

from contextlib import AbstractContextManager
from typing import ClassVar, cast, final

import jax
import jax.numpy as jnp
from jax import Array, lax

from backlight.testing import Builder, Net
from backlight.testing.nets import EPSILON_BATCH_NORM, EPSILON_LAYER_NORM, HEADS, Values
from backlight.values.arrays import Channels


@final
class JaxNet:
    """`Layers` on JAX arrays."""

    def __init__(self, net: Net, dtype: str):
        self.net, self.dtype = net, dtype
        self.weights = {key: jnp.asarray(values, dtype) for key, values in net.weights.items()}

    def __call__(self, *inputs: Array) -> Array:
        return cast(Array, self.net.run(self, *inputs))

    def convolution(self, x: Array, name: str) -> Array:
        kernel, numbers = self.weights[f"{name}.kernel"], ("NHWC", "HWIO", "NHWC")
        found = lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=numbers)
        return found + self.weights[f"{name}.bias"]

    def batch_norm(self, x: Array, name: str) -> Array:
        mean, variance = self.weights[f"{name}.mean"], self.weights[f"{name}.variance"]
        scale, shift = self.weights[f"{name}.scale"], self.weights[f"{name}.shift"]
        return (x - mean) * lax.rsqrt(variance + EPSILON_BATCH_NORM) * scale + shift

    def dense(self, x: Array, name: str) -> Array:
        return x @ self.weights[f"{name}.kernel"] + self.weights[f"{name}.bias"]

    def layer_norm(self, x: Array, name: str) -> Array:
        normal = jax.nn.standardize(x, axis=-1, epsilon=EPSILON_LAYER_NORM)
        return normal * self.weights[f"{name}.scale"] + self.weights[f"{name}.shift"]

    def attention(self, query: Array, key: Array, value: Array) -> Array:
        # Not jax.nn.dot_product_attention, which takes the softmax in float32.
        split = (*query.shape[:2], HEADS, -1)
        query, key, value = (one.reshape(split) for one in (query, key, value))
        scores = jnp.einsum("nqhd,nkhd->nhqk", query, key) / jnp.sqrt(query.shape[-1])
        mixed = jnp.einsum("nhqk,nkhd->nqhd", jax.nn.softmax(scores), value)
        return mixed.reshape(*split[:2], -1)

    def relu(self, x: Array) -> Array:
        return jax.nn.relu(x)

    def gelu(self, x: Array) -> Array:
        return jax.nn.gelu(x, approximate=False)

    def sigmoid(self, x: Array) -> Array:
        return jax.nn.sigmoid(x)

    def softmax(self, x: Array) -> Array:
        return jax.nn.softmax(x)

    def max_pool(self, x: Array) -> Array:
        window = (1, 2, 2, 1)
        found = lax.reduce_window(x, -jnp.inf, lax.max, window, window, "VALID")
        return cast(Array, found)

    def mean_of_places(self, x: Array) -> Array:
        return x.mean((1, 2))

    def mean_of_tokens(self, x: Array) -> Array:
        return x.mean(1)

    def add(self, x: Array, y: Array) -> Array:
        return x + y

    def multiply(self, x: Array, y: Array) -> Array:
        return x * y

    def concat(self, x: Array, y: Array) -> Array:
        return jnp.concatenate([x, y], -1)


@final
class JaxBuilder(Builder):
    """Golden nets as functions of arrays."""

    framework: ClassVar[str] = "jax"
    channels: ClassVar[Channels] = "last"

    def build(self, net: Net, dtype: str) -> JaxNet:
        return JaxNet(net, dtype)

    def edit(self, built: object, name: str, values: Values) -> None:
        net = cast(JaxNet, built)
        net.weights[name] = jnp.asarray(values, net.dtype)

    def precision(self, dtype: str) -> AbstractContextManager[object]:
        return cast(AbstractContextManager[object], jax.enable_x64(dtype == "float64"))
