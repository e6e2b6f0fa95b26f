"""The JAX backend: nets and helpers."""

import os
import subprocess
import sys
import textwrap
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from flax import linen, nnx

import backlight
from backlight import (
    Class,
)

Values = Any


def normal(*shape: int, seed: int = 0) -> Values:
    return np.random.default_rng([seed, *shape]).standard_normal(shape)


def wrap(net: object, **options: Any) -> Any:
    return backlight.wrap(net, "jax", **options)


def bound(model: Any, x: Any, k: Any) -> Any:
    inputs = model.prepare(x)
    return Class(k).bind(model.outputs(inputs), inputs.count)


def names(model: Any, x: Any) -> list[str]:
    return [site.name for site in model.sites(x)]


def differences(score: Callable[[Values], Values], x: Values, step: float = 1e-6) -> Values:
    """d score_n / d x_n by central differences, one coordinate of all examples at a time."""
    flat = x.reshape(len(x), -1)
    found = np.zeros_like(flat)
    for column in range(flat.shape[1]):
        moved = [flat.copy(), flat.copy()]
        moved[0][:, column] += step
        moved[1][:, column] -= step
        up, down = (np.asarray(score(each.reshape(x.shape))) for each in moved)
        found[:, column] = (up - down) / (2 * step)
    return found.reshape(x.shape)


A, B, SKIP = normal(5, 6, seed=1), normal(6, 4, seed=2), normal(5, 4, seed=3)


def of(values: Values, x: Any) -> Any:
    """Values in the dtype of x; a new array, as JAX remembers NumPy arrays in their first dtype."""
    return jnp.asarray(values.astype(x.dtype))


def two_layers(x: Any) -> Any:
    """h = tanh(x A) ; h**2 B + x SKIP."""
    with jax.named_scope("hidden"):
        h = jnp.tanh(x @ of(A, x))
    with jax.named_scope("head"):
        return h**2 @ of(B, x) + x @ of(SKIP, x)


def conv(x: Any, kernel: Any, layout: str = "NHWC") -> Any:
    return jax.lax.conv_general_dilated(
        x, kernel, (1, 1), "SAME", dimension_numbers=(layout, "HWIO", layout)
    )


def max_pool(x: Any) -> Any:
    window = (1, 2, 2, 1)
    return jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, window, window, "VALID")


KERNELS = {
    "first": 0.3 * normal(3, 3, 2, 4, seed=4),
    "second": 0.3 * normal(3, 3, 4, 4, seed=5),
    "dense": 0.3 * normal(16, 3, seed=6),
}


def small_cnn(x: Any) -> Any:
    """Without scopes: convolution, relu and pooling twice, then a dense layer."""
    x = max_pool(jax.nn.relu(conv(x, of(KERNELS["first"], x))))
    x = max_pool(jax.nn.relu(conv(x, of(KERNELS["second"], x))))
    return x.reshape(len(x), -1) @ of(KERNELS["dense"], x)


class LinenNet(linen.Module):
    @linen.compact
    def __call__(self, x: Any, train: bool = False) -> Any:
        x = linen.relu(linen.Conv(4, (3, 3), name="stem")(x))
        x = linen.BatchNorm(use_running_average=not train, name="norm")(x)
        x = linen.max_pool(x, (2, 2), (2, 2))
        dense = linen.Dense(3, name="dense")
        x = linen.Dense(3, name="narrow")(x.mean((1, 2)))
        return linen.softmax(dense(dense(x)))


class NnxNet(nnx.Module):
    def __init__(self, rngs: nnx.Rngs) -> None:
        self.stem = nnx.Conv(2, 4, (3, 3), rngs=rngs)
        self.norm = nnx.BatchNorm(4, rngs=rngs)
        self.drop = nnx.Dropout(0.5, rngs=rngs)
        self.blocks = nnx.List([nnx.Linear(4, 4, rngs=rngs) for _ in range(2)])

    def __call__(self, x: Any) -> Any:
        x = nnx.relu(self.norm(self.stem(x)))
        x = self.drop(nnx.max_pool(x, (2, 2), (2, 2))).mean((1, 2))
        for block in self.blocks:
            x = nnx.relu(block(x))
        return self.blocks[0](x)

    def features(self, x: Any) -> Any:
        return self.drop(self.stem(x)).sum((1, 2))


def equinox_net() -> Any:
    keys = jax.random.split(jax.random.key(3), 3)
    return eqx.nn.Sequential(
        [
            eqx.nn.Conv2d(2, 4, 3, key=keys[0]),
            eqx.nn.Lambda(jax.nn.relu),
            eqx.nn.MaxPool2d(2, 2),
            eqx.nn.AvgPool2d(2, 2),
            eqx.nn.Dropout(0.5),
            eqx.nn.Lambda(jnp.ravel),
            eqx.nn.Linear(4, 5, key=keys[1]),
            eqx.nn.Lambda(jax.nn.relu),
            eqx.nn.Linear(5, 3, key=keys[2]),
        ]
    )


class Batched(eqx.Module):
    """An equinox module that takes a batch, with dropout that is active outside inference mode."""

    layers: list[Any]
    drop: eqx.nn.Dropout

    def __call__(self, x: Any) -> Any:
        for layer in self.layers:
            x = jnp.tanh(x @ layer.weight.T + layer.bias)
        return self.drop(x, key=jax.random.key(0))


def batched() -> Batched:
    keys = jax.random.split(jax.random.key(4), 2)
    layers = [eqx.nn.Linear(5, 6, key=keys[0]), eqx.nn.Linear(6, 4, key=keys[1])]
    return Batched(layers, eqx.nn.Dropout(0.5))


def run_python(script: str, **environment: str) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error::UserWarning", "-c", textwrap.dedent(script)],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


def compilations(model: Any) -> list[int]:
    """How often each pass was compiled."""
    return [
        each.function._cache_size()
        for trace in model.memory.answers("trace")
        for each in trace._compiled.answers()
    ]
