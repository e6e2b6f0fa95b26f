"""Modules of flax (linen and nnx) and equinox, put together as people write them with these libraries."""

import equinox
import flax.linen as linen
import jax
import jax.numpy as jnp
from flax import nnx

CLASSES = 5


class Residual(linen.Module):
    """A block of a residual net: two normed convolutions beside a shortcut."""

    width: int
    strides: tuple[int, int] = (1, 1)

    @linen.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        def norm() -> linen.Module:
            return linen.BatchNorm(use_running_average=True)

        y = linen.Conv(self.width, (3, 3), self.strides, use_bias=False)(x)
        y = linen.relu(norm()(y))
        y = norm()(linen.Conv(self.width, (3, 3), use_bias=False)(y))
        if x.shape != y.shape:
            x = norm()(linen.Conv(self.width, (1, 1), self.strides, use_bias=False)(x))
        return linen.relu(x + y)


class ResidualNet(linen.Module):
    """A stem with max pooling, two stages of one block, global average, dense."""

    @linen.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        x = linen.Conv(4, (7, 7), (2, 2), padding=[(3, 3), (3, 3)], use_bias=False)(x)
        x = linen.relu(linen.BatchNorm(use_running_average=True)(x))
        x = linen.max_pool(x, (3, 3), strides=(2, 2), padding="SAME")
        x = Residual(4)(x)
        x = Residual(6, (2, 2))(x)
        return linen.Dense(CLASSES)(jnp.mean(x, axis=(1, 2)))


class PatchTransformer(linen.Module):
    """A vision transformer: patches by convolution, a class token, two pre-norm blocks."""

    width: int = 8

    @linen.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        x = linen.Conv(self.width, (8, 8), strides=(8, 8), padding="VALID", name="patches")(x)
        x = x.reshape(x.shape[0], -1, self.width)
        token = self.param("token", linen.initializers.normal(1.0), (1, 1, self.width))
        x = jnp.concatenate([jnp.tile(token, (x.shape[0], 1, 1)), x], axis=1)
        x = x + self.param("places", linen.initializers.normal(0.1), (1, *x.shape[1:]))
        for block in range(2):
            y = linen.LayerNorm(name=f"before_{block}")(x)
            x = x + linen.MultiHeadDotProductAttention(2, name=f"attention_{block}")(y, y)
            y = linen.LayerNorm(name=f"after_{block}")(x)
            y = linen.gelu(linen.Dense(2 * self.width, name=f"wide_{block}")(y))
            x = x + linen.Dense(self.width, name=f"narrow_{block}")(y)
        return linen.Dense(CLASSES, name="head")(linen.LayerNorm(name="norm")(x)[:, 0])


class Convolutions(nnx.Module):
    """An object with state: convolutions, batch norm, dropout that is off, average pooling, flattened."""

    def __init__(self, rngs: nnx.Rngs):
        self.first = nnx.Conv(3, 4, kernel_size=(3, 3), rngs=rngs)
        self.norm = nnx.BatchNorm(4, use_running_average=True, rngs=rngs)
        self.dropout = nnx.Dropout(0.1, deterministic=True, rngs=rngs)
        self.second = nnx.Conv(4, 6, kernel_size=(3, 3), rngs=rngs)
        self.head = nnx.Linear(6 * 4 * 6, CLASSES, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        x = nnx.avg_pool(nnx.relu(self.norm(self.first(x))), (2, 2), strides=(2, 2))
        x = nnx.avg_pool(nnx.relu(self.second(self.dropout(x))), (2, 2), strides=(2, 2))
        return self.head(x.reshape(x.shape[0], -1))


class Layers(equinox.Module):
    """A list of layers and functions for one picture, channels first, mapped over the batch."""

    layers: list

    def __init__(self, key: jax.Array):
        keys = jax.random.split(key, 3)
        self.layers = [
            equinox.nn.Conv2d(3, 4, kernel_size=4, key=keys[0]),
            equinox.nn.MaxPool2d(kernel_size=2, stride=2),
            jax.nn.relu,
            jnp.ravel,
            equinox.nn.Linear(4 * 10 * 14, 8, key=keys[1]),
            jax.nn.sigmoid,
            equinox.nn.Linear(8, CLASSES, key=keys[2]),
            jax.nn.log_softmax,
        ]

    def __call__(self, x: jax.Array) -> jax.Array:
        for layer in self.layers:
            x = layer(x)
        return x


class Mixer(equinox.Module):
    """Patches by convolution, then tokens and channels are mixed in turn by perceptrons."""

    patches: equinox.nn.Conv2d
    norms: list
    tokens: list
    channels: list
    head: equinox.nn.Linear

    def __init__(self, key: jax.Array, places: int = 24, width: int = 8):
        keys = iter(jax.random.split(key, 6))
        self.patches = equinox.nn.Conv2d(3, width, 8, stride=8, key=next(keys))
        self.norms = [equinox.nn.LayerNorm((width, places)) for _ in range(5)]
        self.tokens = [equinox.nn.MLP(places, places, 12, 1, key=next(keys)) for _ in range(2)]
        self.channels = [equinox.nn.MLP(width, width, 16, 1, key=next(keys)) for _ in range(2)]
        self.head = equinox.nn.Linear(width, CLASSES, key=next(keys))

    def __call__(self, x: jax.Array) -> jax.Array:
        x = self.patches(x)
        x = x.reshape(x.shape[0], -1)
        for block in range(2):
            x = x + jax.vmap(self.tokens[block])(self.norms[2 * block](x))
            y = self.norms[2 * block + 1](x).T
            x = x + jax.vmap(self.channels[block])(y).T
        return self.head(self.norms[4](x).mean(axis=1))
