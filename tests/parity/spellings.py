"""Functions in all the ways that people write them: of each number by itself.

Each family is one function: what it is (kinds, and a slow reference in NumPy), the frameworks' own calls,
and spellings of it, each written once for all frameworks with what `functions` holds by one name.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import torch  # isort: skip  # before TensorFlow
import jax
import jax.numpy as jnp
import keras
import numpy as np
import tensorflow as tf
from jax import lax
from torch import nn
from torch.nn import functional

from backlight.operations import Kind
from tests import tape
from tests.tape import Raw, Traced, erf

Spelling: TypeAlias = Callable[[Any, Any], Any]
"""Of a framework's functions and a value (N, 8)."""


@dataclass(frozen=True)
class Family:
    """One function.

    Attributes:
        kinds: of what it consists of, in any order, without scales and shifts unless it is one.
        reference: the same on a tape.
        spellings: by name; the frameworks' own calls among them.
        torch, tensorflow, jax: those that only one framework can say.
        folded: a gain and a bias that are part of the linear operation before it under LRP.
        left_out: techniques that see how it is spelled.
    """

    kinds: tuple[Kind, ...]
    reference: Callable[[Traced], Traced]
    spellings: Mapping[str, Spelling]
    folded: tuple[Raw | float, Raw | float] = (1.0, 0.0)
    left_out: tuple[str, ...] = ()
    torch: Mapping[str, Spelling] = field(default_factory=dict)
    tensorflow: Mapping[str, Spelling] = field(default_factory=dict)
    jax: Mapping[str, Spelling] = field(default_factory=dict)

    @property
    def alone(self) -> bool:
        """Whether it must be the only user of the layer before it."""
        return not isinstance(self.folded[0], float)

    def of(self, framework: str) -> dict[str, Spelling]:
        """All that a framework can say."""
        return {**self.spellings, **getattr(self, framework)}


STEP = 0.01


def slope(f: Callable[[Raw], Raw]) -> Callable[[Raw], Raw]:
    """The derivative by nine points, right to 1e-12 where f is smooth for 0.04 on both sides."""
    weights = {1: 4 / 5, 2: -1 / 5, 3: 4 / 105, 4: -1 / 280}
    return lambda x: sum(
        weight * (f(x + place * STEP) - f(x - place * STEP)) / STEP
        for place, weight in weights.items()
    )


def reference(kind: Kind, f: Callable[[Raw], Raw]) -> Callable[[Traced], Traced]:
    return tape.elementwise(kind, f, slope(f))


def unary(
    kind: Kind, f: Callable[[Raw], Raw], spellings: Mapping[str, Spelling], **only: Any
) -> Family:
    return Family((kind,), reference(kind, f), spellings, **only)


def logistic(x: Raw) -> Raw:
    return 1 / (1 + np.exp(-x))


def soft(x: Raw) -> Raw:
    return np.logaddexp(x, 0)


def reshaped(f: Spelling) -> Spelling:
    """Through views."""
    return lambda ops, x: ops.reshape(
        ops.swapped(f(ops, ops.swapped(ops.reshape(x, (-1, 2, 4))))), (-1, 8)
    )


def written(change: Callable[[Any], Any]) -> Spelling:
    """What is written into the value itself, which some framework functions return too."""

    def spelled(ops: Any, x: Any) -> Any:
        change(x)
        return x

    return spelled


def into_views(ops: Any, x: Any) -> Any:
    y = torch.zeros_like(x)
    y[:, :3] = x[:, :3].relu()
    y[:, 3:].copy_(x[:, 3:].clamp(min=0))
    return y


SCALE, ALPHA = 1.0507009873554805, 1.6732632423543772
ROOT = math.sqrt(2 / math.pi)

FAMILIES: dict[str, Family] = {
    "relu": unary(
        Kind.RELU,
        lambda x: np.maximum(x, 0),
        {
            "library": lambda ops, x: ops.relu(x),
            "maximum": lambda ops, x: ops.maximum(x, 0.0),
            "maximum turned": lambda ops, x: ops.maximum(ops.zeros_like(x), x),
            "where >": lambda ops, x: ops.where(x > 0, x, ops.zeros_like(x)),
            "where >=": lambda ops, x: ops.where(x >= 0, x, ops.zeros_like(x)),
            "where turned": lambda ops, x: ops.where(x <= 0, ops.zeros_like(x), x),
            "where 0 <": lambda ops, x: ops.where(ops.zeros_like(x) < x, x, ops.zeros_like(x)),
            "absolute": lambda ops, x: (x + ops.abs(x)) / 2,
            "half absolute": lambda ops, x: 0.5 * ops.abs(x) + 0.5 * x,
            "mask": lambda ops, x: x * ops.number(x > 0),
            "mask first": lambda ops, x: ops.number(x > 0) * x,
            "stopped mask": lambda ops, x: x * ops.stopped(ops.number(x > 0)),
            "sign": lambda ops, x: x * (1 + ops.sign(x)) / 2,
            "minimum": lambda ops, x: -ops.minimum(-x, 0.0),
            "x minus minimum": lambda ops, x: x - ops.minimum(x, 0.0),
            "through views": reshaped(lambda ops, x: ops.maximum(x, 0.0)),
        },
        torch={
            "clamp": lambda ops, x: torch.clamp(x, min=0),
            "clamp_min": lambda ops, x: x.clamp_min(0.0),
            "boolean mask": lambda ops, x: x * (x > 0),
            "masked_fill": lambda ops, x: x.masked_fill(x < 0, 0.0),
            "threshold": lambda ops, x: functional.threshold(x, 0.0, 0.0),
            "leaky of 0": lambda ops, x: functional.leaky_relu(x, 0.0),
            "where number": lambda ops, x: torch.where(x > 0, x, 0.0),
            "module": lambda ops, x: nn.ReLU()(x),
            "module in place": lambda ops, x: nn.ReLU(inplace=True)(x),
            "relu_": written(lambda x: x.relu_()),
            "clamp_": written(lambda x: x.clamp_(min=0)),
            "mul_": written(lambda x: x.mul_(x > 0)),
            "masked write": written(lambda x: x.masked_fill_(x < 0, 0.0)),
            "index write": written(lambda x: x.__setitem__(x < 0, 0.0)),
            "view in place": written(lambda x: x.view(-1).relu_()),
            "slices in place": written(lambda x: (x[:, :3].relu_(), x[:, 3:].clamp_(min=0))),
            "written into views": into_views,
        },
        tensorflow={
            "keras.ops": lambda ops, x: keras.ops.relu(x),
            "keras.ops.maximum": lambda ops, x: keras.ops.maximum(x, 0),
            "tf.function": lambda ops, x: tf.function(tf.nn.relu)(x),
            "leaky of 0": lambda ops, x: tf.nn.leaky_relu(x, 0.0),
            "x * x > 0": lambda ops, x: tf.multiply(x, tf.cast(tf.greater(x, 0.0), x.dtype)),
        },
        jax={
            "clip": lambda ops, x: jnp.clip(x, 0),
            "boolean mask": lambda ops, x: x * (x > 0),
            "select": lambda ops, x: lax.select(x > 0, x, jnp.zeros_like(x)),
            "jit": lambda ops, x: jax.jit(lambda z: jnp.maximum(z, 0))(x),
            "vmap": lambda ops, x: jax.vmap(lambda z: jnp.where(z > 0, z, 0))(x),
            "remat": lambda ops, x: jax.checkpoint(lambda z: lax.max(z, 0.0))(x),
        },
    ),
    "relu6": unary(
        Kind.RELU6,
        lambda x: np.clip(x, 0, 6),
        {
            "library": lambda ops, x: ops.relu6(x),
            "clip": lambda ops, x: ops.clip(x, 0.0, 6.0),
            "minimum of maximum": lambda ops, x: ops.minimum(ops.maximum(x, 0.0), 6.0),
            "maximum of minimum": lambda ops, x: ops.maximum(0.0, ops.minimum(6.0, x)),
            "minimum of relu": lambda ops, x: ops.minimum(ops.relu(x), 6.0),
            "two relus": lambda ops, x: ops.relu(x) - ops.relu(x - 6),
            "where": lambda ops, x: ops.where(x > 6, 0 * x + 6, ops.where(x > 0, x, 0 * x)),
        },
        torch={
            "hardtanh": lambda ops, x: functional.hardtanh(x, 0.0, 6.0),
            "clamp_": written(lambda x: x.clamp_(0, 6)),
        },
        tensorflow={"keras.ops": lambda ops, x: keras.ops.relu6(x)},
    ),
    "leaky_relu": unary(
        Kind.LEAKY_RELU,
        lambda x: np.where(x > 0, x, 0.01 * x),
        {
            "library": lambda ops, x: ops.leaky_relu(x),
            "where": lambda ops, x: ops.where(x > 0, x, 0.01 * x),
            "where turned": lambda ops, x: ops.where(x < 0, x * 0.01, x),
            "maximum": lambda ops, x: ops.maximum(x, 0.01 * x),
            "maximum turned": lambda ops, x: ops.maximum(x / 100, x),
            "two relus": lambda ops, x: ops.relu(x) - 0.01 * ops.relu(-x),
            "two bounds": lambda ops, x: ops.maximum(x, 0.0) + 0.01 * ops.minimum(x, 0.0),
            "absolute": lambda ops, x: 0.505 * x + 0.495 * ops.abs(x),
            "slope by where": lambda ops, x: x * ops.where(x > 0, 0 * x + 1, 0 * x + 0.01),
        },
        torch={"in place": written(lambda x: functional.leaky_relu_(x))},
    ),
    "elu": unary(
        Kind.ELU,
        lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0))),
        {
            "library": lambda ops, x: ops.elu(x),
            "where expm1": lambda ops, x: ops.where(x > 0, x, ops.expm1(x)),
            "where exp": lambda ops, x: ops.where(x > 0, x, ops.exp(x) - 1),
            "where exp minimum": lambda ops, x: ops.where(
                x > 0, x, ops.exp(ops.minimum(x, 0.0)) - 1
            ),
            "two parts": lambda ops, x: ops.relu(x) + ops.expm1(ops.minimum(x, 0.0)),
            "less relu": lambda ops, x: ops.relu(x) - ops.relu(1 - ops.exp(x)),
        },
    ),
    "selu": unary(
        Kind.SELU,
        lambda x: SCALE * np.where(x > 0, x, ALPHA * np.expm1(np.minimum(x, 0))),
        {
            "library": lambda ops, x: ops.selu(x),
            "where": lambda ops, x: SCALE * ops.where(x > 0, x, ALPHA * ops.expm1(x)),
            "where minimum": lambda ops, x: ops.where(
                x > 0, SCALE * x, SCALE * ALPHA * (ops.exp(ops.minimum(x, 0.0)) - 1)
            ),
            "two parts": lambda ops, x: (
                (ops.maximum(x, 0.0) + ops.minimum(ALPHA * (ops.exp(x) - 1), 0.0)) * SCALE
            ),
        },
    ),
    "celu": unary(
        Kind.CELU,
        lambda x: np.where(x > 0, x, 1.7 * np.expm1(np.minimum(x, 0) / 1.7)),
        {
            "library": lambda ops, x: ops.celu(x),
            "two parts": lambda ops, x: (
                ops.maximum(x, 0.0) + ops.minimum(1.7 * (ops.exp(x / 1.7) - 1), 0.0)
            ),
            "where": lambda ops, x: ops.where(x > 0, x, 1.7 * ops.expm1(x / 1.7)),
        },
    ),
    "gelu": unary(
        Kind.GELU,
        lambda x: x * (1 + erf(x / np.sqrt(2))) / 2,
        {
            "library": lambda ops, x: ops.gelu(x),
            "x first": lambda ops, x: x * 0.5 * (1.0 + ops.erf(x / math.sqrt(2))),
            "half first": lambda ops, x: 0.5 * x * (1 + ops.erf(x * math.sqrt(0.5))),
            "distribution first": lambda ops, x: (ops.erf(x / 2**0.5) + 1) / 2 * x,
            "half outside": lambda ops, x: (x + x * ops.erf(x / 2**0.5)) / 2,
            "through views": reshaped(lambda ops, x: x * 0.5 * (1.0 + ops.erf(x / math.sqrt(2)))),
        },
    ),
    "tanh_gelu": unary(
        Kind.GELU,
        lambda x: x * (1 + np.tanh(ROOT * (x + 0.044715 * x**3))) / 2,
        {
            "library": lambda ops, x: ops.tanh_gelu(x),
            "power": lambda ops, x: (
                0.5 * x * (1 + ops.tanh(ROOT * (x + 0.044715 * ops.power(x, 3.0))))
            ),
            "cube": lambda ops, x: x * 0.5 * (1 + ops.tanh(ROOT * x * (1 + 0.044715 * x * x))),
            "** 3": lambda ops, x: 0.5 * x * (1 + ops.tanh(ROOT * (x + 0.044715 * x**3))),
            "sigmoid": lambda ops, x: x * ops.sigmoid(2 * ROOT * (x + 0.044715 * x * x * x)),
        },
    ),
    "quick_gelu": unary(
        Kind.GELU,
        lambda x: x * logistic(1.702 * x),
        {
            "x first": lambda ops, x: x * ops.sigmoid(1.702 * x),
            "sigmoid first": lambda ops, x: ops.sigmoid(x * 1.702) * x,
            "quotient": lambda ops, x: x / (1 + ops.exp(-1.702 * x)),
        },
    ),
    "silu": unary(
        Kind.SILU,
        lambda x: x * logistic(x),
        {
            "library": lambda ops, x: ops.silu(x),
            "x first": lambda ops, x: x * ops.sigmoid(x),
            "sigmoid first": lambda ops, x: ops.sigmoid(x) * x,
            "quotient": lambda ops, x: x / (1 + ops.exp(-x)),
            "exp first": lambda ops, x: x / (ops.exp(-x) + 1.0),
            "times reciprocal": lambda ops, x: x * (1 / (1 + ops.exp(-x))),
            "tanh": lambda ops, x: x * 0.5 * (1 + ops.tanh(x / 2)),
            "tanh outside": lambda ops, x: 0.5 * (x + x * ops.tanh(0.5 * x)),
            "through views": reshaped(lambda ops, x: x * ops.sigmoid(x)),
        },
        torch={
            "in place": written(lambda x: functional.silu(x, inplace=True)),
            "mul_": written(lambda x: x.mul_(x.sigmoid())),
            "module": lambda ops, x: nn.SiLU()(x),
        },
        tensorflow={
            "keras.ops": lambda ops, x: keras.ops.silu(x),
            "keras.ops by hand": lambda ops, x: keras.ops.multiply(x, keras.ops.sigmoid(x)),
        },
        jax={"jit": lambda ops, x: jax.jit(lambda z: z * jax.jit(jax.nn.sigmoid)(z))(x)},
    ),
    "mish": unary(
        Kind.MISH,
        lambda x: x * np.tanh(soft(x)),
        {
            "library": lambda ops, x: ops.mish(x),
            "softplus": lambda ops, x: x * ops.tanh(ops.softplus(x)),
            "log1p": lambda ops, x: x * ops.tanh(ops.log1p(ops.exp(x))),
            "log": lambda ops, x: ops.tanh(ops.log(1 + ops.exp(x))) * x,
            "logaddexp": lambda ops, x: x * ops.tanh(ops.logaddexp(x, 0.0 * x)),
        },
    ),
    "hard_swish": unary(
        Kind.HARD_SWISH,
        lambda x: x * np.clip(x + 3, 0, 6) / 6,
        {
            "library": lambda ops, x: ops.hard_swish(x),
            "relu6": lambda ops, x: x * ops.relu6(x + 3) / 6,
            "sixth first": lambda ops, x: x * (ops.relu6(x + 3.0) * (1.0 / 6.0)),
            "clip": lambda ops, x: ops.clip(x + 3, 0.0, 6.0) / 6 * x,
            "clip to 1": lambda ops, x: x * ops.clip(x / 6 + 0.5, 0.0, 1.0),
            "hard_sigmoid": lambda ops, x: x * ops.hard_sigmoid(x),
        },
    ),
    "hard_sigmoid": unary(
        Kind.HARD_SIGMOID,
        lambda x: np.clip(x + 3, 0, 6) / 6,
        {
            "library": lambda ops, x: ops.hard_sigmoid(x),
            "relu6": lambda ops, x: ops.relu6(x + 3) / 6,
            "clip": lambda ops, x: ops.clip(x + 3, 0.0, 6.0) * (1 / 6),
            "clip to 1": lambda ops, x: ops.clip(x / 6 + 0.5, 0.0, 1.0),
            "minimum": lambda ops, x: ops.minimum(ops.maximum(x + 3, 0.0), 6.0) / 6,
        },
    ),
    "hard_tanh": unary(
        Kind.HARD_TANH,
        lambda x: np.clip(x, -1, 1),
        {
            "library": lambda ops, x: ops.hard_tanh(x),
            "clip": lambda ops, x: ops.clip(x, -1.0, 1.0),
            "bounds": lambda ops, x: ops.maximum(ops.minimum(x, 1.0), -1.0),
            "absolutes": lambda ops, x: (ops.abs(x + 1) - ops.abs(x - 1)) / 2,
        },
    ),
    "sigmoid": unary(
        Kind.SIGMOID,
        logistic,
        {
            "library": lambda ops, x: ops.sigmoid(x),
            "quotient": lambda ops, x: 1 / (1 + ops.exp(-x)),
            "exp first": lambda ops, x: 1.0 / (ops.exp(-x) + 1.0),
            "reciprocal": lambda ops, x: ops.reciprocal(1 + ops.exp(-x)),
            "power": lambda ops, x: (1 + ops.exp(-x)) ** -1.0,
            "tanh": lambda ops, x: 0.5 * (1 + ops.tanh(x / 2)),
            "tanh first": lambda ops, x: ops.tanh(0.5 * x) * 0.5 + 0.5,
            "exp over": lambda ops, x: ops.exp(x) / (1 + ops.exp(x)),
            "two sides": lambda ops, x: ops.where(
                x >= 0,
                1 / (1 + ops.exp(-ops.abs(x))),
                ops.exp(-ops.abs(x)) / (1 + ops.exp(-ops.abs(x))),
            ),
        },
        torch={"in place": written(lambda x: x.sigmoid_())},
    ),
    "tanh": unary(
        Kind.TANH,
        np.tanh,
        {
            "library": lambda ops, x: ops.tanh(x),
            "exp": lambda ops, x: (ops.exp(x) - ops.exp(-x)) / (ops.exp(x) + ops.exp(-x)),
            "exp of 2 x": lambda ops, x: (ops.exp(2 * x) - 1) / (ops.exp(2 * x) + 1),
            "sigmoid": lambda ops, x: 2 * ops.sigmoid(2 * x) - 1,
            "quotient": lambda ops, x: 1 - 2 / (1 + ops.exp(2 * x)),
        },
    ),
    "softplus": unary(
        Kind.SOFTPLUS,
        soft,
        {
            "library": lambda ops, x: ops.softplus(x),
            "log": lambda ops, x: ops.log(1 + ops.exp(x)),
            "log1p": lambda ops, x: ops.log1p(ops.exp(x)),
            "logaddexp": lambda ops, x: ops.logaddexp(x, 0 * x),
            "stable": lambda ops, x: ops.maximum(x, 0.0) + ops.log1p(ops.exp(-ops.abs(x))),
            "thresholded": lambda ops, x: ops.where(
                x > 20, x, ops.log1p(ops.exp(ops.minimum(x, 20.0)))
            ),
            "less log_sigmoid": lambda ops, x: -ops.log_sigmoid(-x),
        },
    ),
    "log_sigmoid": unary(
        Kind.LOG_SIGMOID,
        lambda x: -soft(-x),
        {
            "library": lambda ops, x: ops.log_sigmoid(x),
            "log of sigmoid": lambda ops, x: ops.log(ops.sigmoid(x)),
            "less softplus": lambda ops, x: -ops.softplus(-x),
            "log1p": lambda ops, x: -ops.log1p(ops.exp(-x)),
            "stable": lambda ops, x: ops.minimum(x, 0.0) - ops.log1p(ops.exp(-ops.abs(x))),
        },
    ),
    "softsign": unary(
        Kind.SOFTSIGN,
        lambda x: x / (1 + np.abs(x)),
        {
            "library": lambda ops, x: ops.softsign(x),
            "quotient": lambda ops, x: x / (1 + ops.abs(x)),
            "times reciprocal": lambda ops, x: x * (1 / (ops.abs(x) + 1)),
        },
    ),
    "abs": unary(
        Kind.ABS,
        np.abs,
        {
            "library": lambda ops, x: ops.abs(x),
            "maximum": lambda ops, x: ops.maximum(x, -x),
            "where": lambda ops, x: ops.where(x > 0, x, -x),
            "two relus": lambda ops, x: ops.relu(x) + ops.relu(-x),
            "sign": lambda ops, x: x * ops.sign(x),
        },
    ),
}
