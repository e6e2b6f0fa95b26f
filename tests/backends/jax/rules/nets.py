"""Rules on the JAX backend: nets and helpers."""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from flax import linen, nnx
from jax import lax

from backlight.rules.operations import UNARY, Kind
from backlight.rules.rules import Rules
from backlight.testing.rules import (
    Native,
    Quotient,
    by_kind,
)
from backlight_methods.deep_lift.rules import RULES
from tests.backends.jax.model.nets import bound, conv, normal, wrap

Values = Any


Net = Callable[[Any], Any]


DEEP_LIFT = by_kind({**RULES, **{kind: Quotient() for kind in UNARY}})
"""Complete for softmax, quotients and minima too."""


WHOLE = by_kind(
    {kind: Native() for kind in Kind if kind not in (Kind.NEURON, Kind.OTHER)}, folds=True
)
"""Every composite kind but neurons is a unit."""


W, V = normal(6, 8, seed=1), normal(8, 4, seed=2)


B, G = normal(8, seed=3), 1 + 0.3 * normal(8, seed=4)


SQUARE = 0.4 * normal(3, 8, 8, seed=5)


FLAT, PICTURE, TOKENS = (3, 6), (3, 6, 6, 4), (3, 5, 6)


NETS: dict[str, tuple[Any, tuple[int, ...]]] = {}


def on(shape: tuple[int, ...]) -> Callable[[Net], Net]:
    def add(net: Net) -> Net:
        NETS[net.__name__] = net, shape
        return net

    return add


def pooled(x: Any, size: int, stride: int, padding: str = "VALID") -> Any:
    window, strides = (1, size, size, 1), (1, stride, stride, 1)
    return lax.reduce_window(x, -jnp.inf, lax.max, window, strides, padding)


@on(PICTURE)
def cnn(x: Any) -> Any:
    x = pooled(jax.nn.relu(conv(x, normal(3, 3, 4, 8)) + B), 2, 2)
    x = pooled(jax.nn.relu(conv(x, 0.3 * normal(3, 3, 8, 8)) + B), 2, 1)
    return x.reshape(len(x), -1) @ normal(32, 4) + normal(4)


@on(PICTURE)
def resized(x: Any) -> Any:
    x = jax.nn.relu(conv(x, normal(3, 3, 4, 4)))
    return jnp.concatenate(
        [jax.image.resize(x, (len(x), 9, 9, 4), "bilinear").mean((1, 2)), x.min((1, 2))], axis=1
    )


@on(PICTURE)
def batch_norm(x: Any) -> Any:
    x = (conv(x, normal(3, 3, 4, 8)) - B) * lax.rsqrt(B**2 + 1e-3) * G + B
    return jax.nn.relu(x).sum((1, 2)) @ V


def layer_norm(x: Any) -> Any:
    mean = x.mean(-1, keepdims=True)
    variance = ((x - mean) ** 2).mean(-1, keepdims=True)
    return (x - mean) / jnp.sqrt(variance + 1e-3) * G + B


@on(FLAT)
def layer_normed(x: Any) -> Any:
    return jnp.tanh(layer_norm(x @ W)) @ V


@on(FLAT)
def rms_normed(x: Any) -> Any:
    h = x @ W
    return (h * lax.rsqrt((h * h).mean(-1, keepdims=True) + 1e-3) * G) @ V


@on(TOKENS)
def attention(x: Any) -> Any:
    q, k, v = x @ W, x @ W[::-1], x @ W[:, ::-1]
    scores = jnp.einsum("nqd,nkd->nqk", q, k) / jnp.sqrt(8.0)
    seen = np.tril(np.ones((5, 5))) > 0
    mixed = jax.nn.softmax(jnp.where(seen, scores, -1e9)) @ v
    return (mixed + v).mean(1) @ V


@on(TOKENS)
def vmapped_attention(x: Any) -> Any:
    module = eqx.nn.MultiheadAttention(2, 6, key=jax.random.key(0), dtype=jnp.float64)
    return jax.vmap(lambda row: module(row, row, row).sum(0))(x)


@on(FLAT)
def gated(x: Any) -> Any:
    h = x @ W
    return (h * jax.nn.sigmoid(x @ W[::-1]) + jax.nn.glu(jnp.concatenate([h, h**2], -1))) @ V


@on(FLAT)
def quotients(x: Any) -> Any:
    h = jnp.exp(0.3 * (x @ W))
    return h / (1 + h.sum(-1, keepdims=True)) + 1 / (2 + h**2)


@on(FLAT)
def log_probabilities(x: Any) -> Any:
    return jax.nn.log_softmax(x @ W + B)


@on(FLAT)
def soft_maximum(x: Any) -> Any:
    return jax.nn.logsumexp((x @ W)[:, :, None] * B[:4], axis=1)


@on(FLAT)
def two_operands(x: Any) -> Any:
    return jnp.maximum(x @ W, 2 * x @ W[::-1]) @ V + jnp.minimum(x @ W, 0.3) @ V


@on(FLAT)
def mapped_and_looped(x: Any) -> Any:
    x = lax.fori_loop(0, 2, lambda _, h: jnp.tanh(1.5 * h), x)
    return lax.map(lambda row: jax.nn.gelu(row @ W) @ V, x)


@on(FLAT)
def nested(x: Any) -> Any:
    block = jax.checkpoint(jax.jit(lambda h: jax.nn.relu(h @ W)))
    return jax.jit(lambda h: block(h) @ V)(x)


@on(FLAT)
def conditional(x: Any) -> Any:
    return lax.cond(jnp.asarray(W)[0, 0] > -9, lambda h: jax.nn.relu(h @ W), lambda h: h @ W, x)


class LinenNet(linen.Module):
    @linen.compact
    def __call__(self, x: Any) -> Any:
        kind = {"param_dtype": jnp.float64}
        x = linen.relu(linen.Conv(8, (3, 3), name="stem", **kind)(x))
        x = linen.GroupNorm(2, **kind)(x)
        x = linen.avg_pool(x, (2, 2), (2, 2)).reshape(len(x), -1, 8)
        x = linen.gelu(linen.LayerNorm(**kind)(x))
        x = x + linen.MultiHeadDotProductAttention(2, name="mix", **kind)(x, x)
        return linen.Dense(3, name="head", **kind)(linen.RMSNorm(**kind)(x).mean(1))


def linen_net() -> Any:
    net = LinenNet()
    shapes = jax.eval_shape(net.init, jax.random.key(0), jnp.asarray(normal(*PICTURE)))
    return net, jax.tree.map(lambda one: jnp.asarray(0.3 * normal(*one.shape)), shapes)


class NnxNet(nnx.Module):
    def __init__(self, rngs: nnx.Rngs) -> None:
        kind: dict[str, Any] = {"param_dtype": jnp.float64, "rngs": rngs}
        self.stem = nnx.Conv(4, 8, (3, 3), **kind)
        self.norm = nnx.BatchNorm(8, **kind)
        self.norm.mean.set_value(jnp.asarray(0.3 * B))
        self.norm.var.set_value(jnp.asarray(G**2))
        self.head = nnx.Linear(8, 3, **kind)

    def __call__(self, x: Any) -> Any:
        x = nnx.leaky_relu(self.norm(self.stem(x)))
        return self.head(nnx.max_pool(x, (2, 2), (2, 2)).mean((1, 2)))


def equinox_net() -> Any:
    keys = jax.random.split(jax.random.key(3), 2)
    kind = {"dtype": jnp.float64}
    return jax.vmap(
        eqx.nn.Sequential(
            [
                eqx.nn.Conv2d(4, 5, 3, key=keys[0], **kind),
                eqx.nn.Lambda(jax.nn.softplus),
                eqx.nn.AdaptiveAvgPool2d(2),
                eqx.nn.MaxPool2d(2, 1),
                eqx.nn.Lambda(jnp.ravel),
                eqx.nn.LayerNorm(5, **kind),
                eqx.nn.Linear(5, 3, key=keys[1], **kind),
            ]
        )
    )


NETS["flax_linen"] = linen_net, PICTURE


NETS["flax_nnx"] = lambda: NnxNet(nnx.Rngs(0)), PICTURE


NETS["equinox"] = equinox_net, (3, 4, 6, 6)


MADE = ("flax_linen", "flax_nnx", "equinox")


@cache
def case(name: str) -> tuple[Any, Values]:
    """A net, wrapped once for all tests: what they have in common is compiled once."""
    net, shape = NETS[name]
    return wrap(net() if name in MADE else net), normal(*shape, seed=7)


def kinds(operations: Sequence[Any]) -> list[str]:
    return [one.kind.value for one in operations]


def ruled(net: Any, x: Values, rules: Rules, k: Any = 1, **options: Any) -> Any:
    model = wrap(net)
    return model.gradient(x, bound(model, x, k), rules=rules, **options)


SPELLINGS: dict[str, tuple[Kind, Callable[[Any], Any]]] = {
    "jax.nn.relu": (Kind.RELU, jax.nn.relu),
    "maximum": (Kind.RELU, lambda x: jnp.maximum(0.0, x)),
    "where": (Kind.RELU, lambda x: jnp.where(x > 0, x, 0)),
    "where turned": (Kind.RELU, lambda x: jnp.where(x <= 0, 0, x)),
    "mask": (Kind.RELU, lambda x: x * (x > 0)),
    "clip": (Kind.RELU, lambda x: jnp.clip(x, 0)),
    "absolute": (Kind.RELU, lambda x: (x + jnp.abs(x)) / 2),
    "minimum": (Kind.RELU, lambda x: -jnp.minimum(-x, 0)),
    "jitted": (Kind.RELU, jax.jit(lambda x: jnp.maximum(x, 0))),
    "jax.nn.relu6": (Kind.RELU6, jax.nn.relu6),
    "clip on both sides": (Kind.RELU6, lambda x: jnp.clip(x, 0, 4)),
    "minimum of relu": (Kind.RELU6, lambda x: jnp.minimum(jax.nn.relu(x), 6.0)),
    "jax.nn.leaky_relu": (Kind.LEAKY_RELU, jax.nn.leaky_relu),
    "slope per channel": (Kind.PRELU, lambda x: jnp.where(x > 0, x, B * x)),
    "two relus": (Kind.PRELU, lambda x: jax.nn.relu(x) - B * jax.nn.relu(-x)),
    "jax.nn.elu": (Kind.ELU, jax.nn.elu),
    "jax.nn.selu": (Kind.SELU, jax.nn.selu),
    "jax.nn.celu": (Kind.CELU, lambda x: jax.nn.celu(x, 1.7)),
    "jax.nn.gelu": (Kind.GELU, jax.nn.gelu),
    "exact gelu": (Kind.GELU, lambda x: jax.nn.gelu(x, approximate=False)),
    "quick gelu": (Kind.GELU, lambda x: x * jax.nn.sigmoid(1.702 * x)),
    "jax.nn.silu": (Kind.SILU, jax.nn.silu),
    "silu by hand": (Kind.SILU, lambda x: x / (1 + jnp.exp(-x))),
    "jax.nn.mish": (Kind.MISH, jax.nn.mish),
    "jax.nn.hard_swish": (Kind.HARD_SWISH, jax.nn.hard_swish),
    "jax.nn.hard_sigmoid": (Kind.HARD_SIGMOID, jax.nn.hard_sigmoid),
    "jax.nn.hard_tanh": (Kind.HARD_TANH, jax.nn.hard_tanh),
    "jax.nn.sigmoid": (Kind.SIGMOID, jax.nn.sigmoid),
    "sigmoid by hand": (Kind.SIGMOID, lambda x: 1 / (1 + jnp.exp(-x))),
    "tanh": (Kind.TANH, jnp.tanh),
    "jax.nn.softplus": (Kind.SOFTPLUS, jax.nn.softplus),
    "softplus by hand": (Kind.SOFTPLUS, lambda x: jnp.log(1 + jnp.exp(x))),
    "jax.nn.soft_sign": (Kind.SOFTSIGN, jax.nn.soft_sign),
    "jax.nn.log_sigmoid": (Kind.LOG_SIGMOID, jax.nn.log_sigmoid),
    "abs": (Kind.ABS, jnp.abs),
    "square": (Kind.POW, jnp.square),
    "reciprocal": (Kind.POW, lambda x: 1 / (2.0 / x)),
    "erf": (Kind.ERF, jax.scipy.special.erf),
    "cosine": (Kind.ELEMENTWISE, jnp.cos),
    "hard shrink": (Kind.ELEMENTWISE, lambda x: jnp.where(jnp.abs(x) > 0.5, x, 0)),
}


COMPOSED = {
    "layer_normed": ("normalization", {"div", "sqrt"}),
    "rms_normed": ("normalization", {"rsqrt", "mul"}),
    "attention": ("softmax", set[str]()),
    "log_probabilities": ("log_softmax", set[str]()),
    "soft_maximum": ("logsumexp", set[str]()),
}


def size(x: Any) -> Any:
    return jnp.square(x).mean(-1, keepdims=True) + 1e-6


def moved(x: Any) -> Any:
    scaled = -lax.rsqrt(size(x)) / 3.0 * B
    return jnp.tile(scaled.astype(jnp.float32).astype(x.dtype).T[:4].T[:, None], (1, 2, 1))
