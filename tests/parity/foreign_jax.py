"""The nets of `foreign_jax_nets`, with weights and examples."""

from collections.abc import Callable

import equinox
import flax.linen
import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from numpy.typing import NDArray

from tests.parity import foreign_jax_nets as modules
from tests.parity.foreign_nets import Foreign

Made = tuple[object, NDArray[np.float64]]


def pictures(shape: tuple[int, ...]) -> NDArray[np.float64]:
    return np.random.default_rng(0).normal(size=(2, *shape))


def double(leaf: jax.Array) -> jax.Array:
    return leaf.astype("float64") if jnp.issubdtype(leaf.dtype, jnp.floating) else leaf


def linen(module: flax.linen.Module, shape: tuple[int, ...]) -> Callable[[], Made]:
    def make() -> Made:
        x = pictures(shape)
        return module.bind(jax.tree.map(double, module.init(jax.random.key(0), x))), x

    return make


def stateful(kind: type[nnx.Module], shape: tuple[int, ...]) -> Callable[[], Made]:
    def make() -> Made:
        module = kind(nnx.Rngs(0))
        nnx.update(module, jax.tree.map(double, nnx.state(module, nnx.Not(nnx.RngState))))
        return module, pictures(shape)

    return make


def mapped(kind: Callable[[jax.Array], Callable], shape: tuple[int, ...]) -> Callable[[], Made]:
    def make() -> Made:
        module = kind(jax.random.key(0))
        arrays, rest = equinox.partition(module, equinox.is_array)
        return jax.vmap(equinox.combine(jax.tree.map(double, arrays), rest)), pictures(shape)

    return make


def perceptron(key: jax.Array) -> Callable:
    return equinox.nn.MLP(6, 5, 8, 2, activation=jax.nn.gelu, key=key)


def foreign(
    make: Callable[[], Made], sites: tuple[str, ...], grid: tuple[int, ...], **kinds: int
) -> Foreign:
    return Foreign(make, sites, grid, kinds, lambda: jax.enable_x64(True))


NETS = {
    "flax linen residual net": foreign(
        linen(modules.ResidualNet(), (48, 64, 3)),
        ("ResidualNet/Residual_1",),
        (6, 8),
        convolution=6,
        relu=5,
        max_pool=1,
        dense=1,
    ),
    "flax linen vision transformer": foreign(
        linen(modules.PatchTransformer(), (32, 48, 3)),
        ("PatchTransformer/before_1", "add:16"),
        (4, 6),
        convolution=1,
        normalization=5,
        softmax=2,
        matmul=4,
        gelu=2,
        dense=13,
    ),
    "flax nnx convolutions": foreign(
        stateful(modules.Convolutions, (16, 24, 3)),
        ("relu:2",),
        (8, 12),
        convolution=2,
        relu=2,
        dense=1,
    ),
    "equinox convolutions": foreign(  # pooled before the rectifier
        mapped(modules.Layers, (3, 23, 31)),
        ("relu",),
        (10, 14),
        convolution=1,
        max_pool=1,
        relu=1,
        dense=2,
        sigmoid=1,
        log_softmax=1,
    ),
    "equinox mixer": foreign(  # channels before tokens
        mapped(modules.Mixer, (3, 32, 48)),
        ("norms[4]", "add:21"),
        (4, 6),
        convolution=1,
        normalization=5,
        dense=9,
        relu=4,
    ),
    "equinox perceptron": foreign(mapped(perceptron, (6,)), (), (), dense=3, gelu=2),
}
