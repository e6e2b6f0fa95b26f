"""Functions in all the ways that people write them: of each number by itself.

Each family is one function: what it is (kinds, and a slow reference in NumPy), the frameworks' own calls, and
spellings of it, each written once for all frameworks with what `functions` holds by one name.
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
    return lambda F, x: F.reshape(F.swapped(f(F, F.swapped(F.reshape(x, (-1, 2, 4))))), (-1, 8))


def written(change: Callable[[Any], Any]) -> Spelling:
    """What is written into the value itself, which some framework functions return too."""

    def spelled(F: Any, x: Any) -> Any:
        change(x)
        return x

    return spelled


def into_views(F: Any, x: Any) -> Any:
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
            "library": lambda F, x: F.relu(x),
            "maximum": lambda F, x: F.maximum(x, 0.0),
            "maximum turned": lambda F, x: F.maximum(F.zeros_like(x), x),
            "where >": lambda F, x: F.where(x > 0, x, F.zeros_like(x)),
            "where >=": lambda F, x: F.where(x >= 0, x, F.zeros_like(x)),
            "where turned": lambda F, x: F.where(x <= 0, F.zeros_like(x), x),
            "where 0 <": lambda F, x: F.where(F.zeros_like(x) < x, x, F.zeros_like(x)),
            "absolute": lambda F, x: (x + F.abs(x)) / 2,
            "half absolute": lambda F, x: 0.5 * F.abs(x) + 0.5 * x,
            "mask": lambda F, x: x * F.number(x > 0),
            "mask first": lambda F, x: F.number(x > 0) * x,
            "stopped mask": lambda F, x: x * F.stopped(F.number(x > 0)),
            "sign": lambda F, x: x * (1 + F.sign(x)) / 2,
            "minimum": lambda F, x: -F.minimum(-x, 0.0),
            "x minus minimum": lambda F, x: x - F.minimum(x, 0.0),
            "through views": reshaped(lambda F, x: F.maximum(x, 0.0)),
            "twice": lambda F, x: F.relu(F.relu(x)),
        },
        torch={
            "clamp": lambda F, x: torch.clamp(x, min=0),
            "clamp_min": lambda F, x: x.clamp_min(0.0),
            "boolean mask": lambda F, x: x * (x > 0),
            "masked_fill": lambda F, x: x.masked_fill(x < 0, 0.0),
            "threshold": lambda F, x: functional.threshold(x, 0.0, 0.0),
            "leaky of 0": lambda F, x: functional.leaky_relu(x, 0.0),
            "where number": lambda F, x: torch.where(x > 0, x, 0.0),
            "module": lambda F, x: nn.ReLU()(x),
            "module in place": lambda F, x: nn.ReLU(inplace=True)(x),
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
            "keras.ops": lambda F, x: keras.ops.relu(x),
            "keras.ops.maximum": lambda F, x: keras.ops.maximum(x, 0),
            "tf.function": lambda F, x: tf.function(tf.nn.relu)(x),
            "leaky of 0": lambda F, x: tf.nn.leaky_relu(x, 0.0),
            "x * x > 0": lambda F, x: tf.multiply(x, tf.cast(tf.greater(x, 0.0), x.dtype)),
        },
        jax={
            "clip": lambda F, x: jnp.clip(x, 0),
            "boolean mask": lambda F, x: x * (x > 0),
            "select": lambda F, x: lax.select(x > 0, x, jnp.zeros_like(x)),
            "jit": lambda F, x: jax.jit(lambda z: jnp.maximum(z, 0))(x),
            "vmap": lambda F, x: jax.vmap(lambda z: jnp.where(z > 0, z, 0))(x),
            "remat": lambda F, x: jax.checkpoint(lambda z: lax.max(z, 0.0))(x),
        },
    ),
    "relu6": unary(
        Kind.RELU6,
        lambda x: np.clip(x, 0, 6),
        {
            "library": lambda F, x: F.relu6(x),
            "clip": lambda F, x: F.clip(x, 0.0, 6.0),
            "minimum of maximum": lambda F, x: F.minimum(F.maximum(x, 0.0), 6.0),
            "maximum of minimum": lambda F, x: F.maximum(0.0, F.minimum(6.0, x)),
            "minimum of relu": lambda F, x: F.minimum(F.relu(x), 6.0),
            "two relus": lambda F, x: F.relu(x) - F.relu(x - 6),
            "where": lambda F, x: F.where(x > 6, 0 * x + 6, F.where(x > 0, x, 0 * x)),
        },
        torch={
            "hardtanh": lambda F, x: functional.hardtanh(x, 0.0, 6.0),
            "clamp_": written(lambda x: x.clamp_(0, 6)),
        },
        tensorflow={"keras.ops": lambda F, x: keras.ops.relu6(x)},
    ),
    "leaky_relu": unary(
        Kind.LEAKY_RELU,
        lambda x: np.where(x > 0, x, 0.01 * x),
        {
            "library": lambda F, x: F.leaky_relu(x),
            "where": lambda F, x: F.where(x > 0, x, 0.01 * x),
            "where turned": lambda F, x: F.where(x < 0, x * 0.01, x),
            "maximum": lambda F, x: F.maximum(x, 0.01 * x),
            "maximum turned": lambda F, x: F.maximum(x / 100, x),
            "two relus": lambda F, x: F.relu(x) - 0.01 * F.relu(-x),
            "two bounds": lambda F, x: F.maximum(x, 0.0) + 0.01 * F.minimum(x, 0.0),
            "absolute": lambda F, x: 0.505 * x + 0.495 * F.abs(x),
            "slope by where": lambda F, x: x * F.where(x > 0, 0 * x + 1, 0 * x + 0.01),
        },
        torch={"in place": written(lambda x: functional.leaky_relu_(x))},
    ),
    "elu": unary(
        Kind.ELU,
        lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0))),
        {
            "library": lambda F, x: F.elu(x),
            "where expm1": lambda F, x: F.where(x > 0, x, F.expm1(x)),
            "where exp": lambda F, x: F.where(x > 0, x, F.exp(x) - 1),
            "where exp minimum": lambda F, x: F.where(x > 0, x, F.exp(F.minimum(x, 0.0)) - 1),
            "two parts": lambda F, x: F.relu(x) + F.expm1(F.minimum(x, 0.0)),
            "less relu": lambda F, x: F.relu(x) - F.relu(1 - F.exp(x)),
        },
    ),
    "selu": unary(
        Kind.SELU,
        lambda x: SCALE * np.where(x > 0, x, ALPHA * np.expm1(np.minimum(x, 0))),
        {
            "library": lambda F, x: F.selu(x),
            "where": lambda F, x: SCALE * F.where(x > 0, x, ALPHA * F.expm1(x)),
            "where minimum": lambda F, x: F.where(
                x > 0, SCALE * x, SCALE * ALPHA * (F.exp(F.minimum(x, 0.0)) - 1)
            ),
            "two parts": lambda F, x: (
                (F.maximum(x, 0.0) + F.minimum(ALPHA * (F.exp(x) - 1), 0.0)) * SCALE
            ),
        },
    ),
    "celu": unary(
        Kind.CELU,
        lambda x: np.where(x > 0, x, 1.7 * np.expm1(np.minimum(x, 0) / 1.7)),
        {
            "library": lambda F, x: F.celu(x),
            "two parts": lambda F, x: (
                F.maximum(x, 0.0) + F.minimum(1.7 * (F.exp(x / 1.7) - 1), 0.0)
            ),
            "where": lambda F, x: F.where(x > 0, x, 1.7 * F.expm1(x / 1.7)),
        },
    ),
    "gelu": unary(
        Kind.GELU,
        lambda x: x * (1 + erf(x / np.sqrt(2))) / 2,
        {
            "library": lambda F, x: F.gelu(x),
            "x first": lambda F, x: x * 0.5 * (1.0 + F.erf(x / math.sqrt(2))),
            "half first": lambda F, x: 0.5 * x * (1 + F.erf(x * math.sqrt(0.5))),
            "distribution first": lambda F, x: (F.erf(x / 2**0.5) + 1) / 2 * x,
            "half outside": lambda F, x: (x + x * F.erf(x / 2**0.5)) / 2,
            "through views": reshaped(lambda F, x: x * 0.5 * (1.0 + F.erf(x / math.sqrt(2)))),
        },
    ),
    "tanh_gelu": unary(
        Kind.GELU,
        lambda x: x * (1 + np.tanh(ROOT * (x + 0.044715 * x**3))) / 2,
        {
            "library": lambda F, x: F.tanh_gelu(x),
            "power": lambda F, x: 0.5 * x * (1 + F.tanh(ROOT * (x + 0.044715 * F.power(x, 3.0)))),
            "cube": lambda F, x: x * 0.5 * (1 + F.tanh(ROOT * x * (1 + 0.044715 * x * x))),
            "** 3": lambda F, x: 0.5 * x * (1 + F.tanh(ROOT * (x + 0.044715 * x**3))),
            "sigmoid": lambda F, x: x * F.sigmoid(2 * ROOT * (x + 0.044715 * x * x * x)),
        },
    ),
    "quick_gelu": unary(
        Kind.GELU,
        lambda x: x * logistic(1.702 * x),
        {
            "x first": lambda F, x: x * F.sigmoid(1.702 * x),
            "sigmoid first": lambda F, x: F.sigmoid(x * 1.702) * x,
            "quotient": lambda F, x: x / (1 + F.exp(-1.702 * x)),
        },
    ),
    "silu": unary(
        Kind.SILU,
        lambda x: x * logistic(x),
        {
            "library": lambda F, x: F.silu(x),
            "x first": lambda F, x: x * F.sigmoid(x),
            "sigmoid first": lambda F, x: F.sigmoid(x) * x,
            "quotient": lambda F, x: x / (1 + F.exp(-x)),
            "exp first": lambda F, x: x / (F.exp(-x) + 1.0),
            "times reciprocal": lambda F, x: x * (1 / (1 + F.exp(-x))),
            "tanh": lambda F, x: x * 0.5 * (1 + F.tanh(x / 2)),
            "tanh outside": lambda F, x: 0.5 * (x + x * F.tanh(0.5 * x)),
            "through views": reshaped(lambda F, x: x * F.sigmoid(x)),
        },
        torch={
            "in place": written(lambda x: functional.silu(x, inplace=True)),
            "mul_": written(lambda x: x.mul_(x.sigmoid())),
            "module": lambda F, x: nn.SiLU()(x),
        },
        tensorflow={
            "keras.ops": lambda F, x: keras.ops.silu(x),
            "keras.ops by hand": lambda F, x: keras.ops.multiply(x, keras.ops.sigmoid(x)),
        },
        jax={"jit": lambda F, x: jax.jit(lambda z: z * jax.jit(jax.nn.sigmoid)(z))(x)},
    ),
    "mish": unary(
        Kind.MISH,
        lambda x: x * np.tanh(soft(x)),
        {
            "library": lambda F, x: F.mish(x),
            "softplus": lambda F, x: x * F.tanh(F.softplus(x)),
            "log1p": lambda F, x: x * F.tanh(F.log1p(F.exp(x))),
            "log": lambda F, x: F.tanh(F.log(1 + F.exp(x))) * x,
            "logaddexp": lambda F, x: x * F.tanh(F.logaddexp(x, 0.0 * x)),
        },
    ),
    "hard_swish": unary(
        Kind.HARD_SWISH,
        lambda x: x * np.clip(x + 3, 0, 6) / 6,
        {
            "library": lambda F, x: F.hard_swish(x),
            "relu6": lambda F, x: x * F.relu6(x + 3) / 6,
            "sixth first": lambda F, x: x * (F.relu6(x + 3.0) * (1.0 / 6.0)),
            "clip": lambda F, x: F.clip(x + 3, 0.0, 6.0) / 6 * x,
            "clip to 1": lambda F, x: x * F.clip(x / 6 + 0.5, 0.0, 1.0),
            "hard_sigmoid": lambda F, x: x * F.hard_sigmoid(x),
        },
    ),
    "hard_sigmoid": unary(
        Kind.HARD_SIGMOID,
        lambda x: np.clip(x + 3, 0, 6) / 6,
        {
            "library": lambda F, x: F.hard_sigmoid(x),
            "relu6": lambda F, x: F.relu6(x + 3) / 6,
            "clip": lambda F, x: F.clip(x + 3, 0.0, 6.0) * (1 / 6),
            "clip to 1": lambda F, x: F.clip(x / 6 + 0.5, 0.0, 1.0),
            "minimum": lambda F, x: F.minimum(F.maximum(x + 3, 0.0), 6.0) / 6,
        },
    ),
    "hard_tanh": unary(
        Kind.HARD_TANH,
        lambda x: np.clip(x, -1, 1),
        {
            "library": lambda F, x: F.hard_tanh(x),
            "clip": lambda F, x: F.clip(x, -1.0, 1.0),
            "bounds": lambda F, x: F.maximum(F.minimum(x, 1.0), -1.0),
            "absolutes": lambda F, x: (F.abs(x + 1) - F.abs(x - 1)) / 2,
        },
    ),
    "sigmoid": unary(
        Kind.SIGMOID,
        logistic,
        {
            "library": lambda F, x: F.sigmoid(x),
            "quotient": lambda F, x: 1 / (1 + F.exp(-x)),
            "exp first": lambda F, x: 1.0 / (F.exp(-x) + 1.0),
            "reciprocal": lambda F, x: F.reciprocal(1 + F.exp(-x)),
            "power": lambda F, x: (1 + F.exp(-x)) ** -1.0,
            "tanh": lambda F, x: 0.5 * (1 + F.tanh(x / 2)),
            "tanh first": lambda F, x: F.tanh(0.5 * x) * 0.5 + 0.5,
            "exp over": lambda F, x: F.exp(x) / (1 + F.exp(x)),
            "two sides": lambda F, x: F.where(
                x >= 0,
                1 / (1 + F.exp(-F.abs(x))),
                F.exp(-F.abs(x)) / (1 + F.exp(-F.abs(x))),
            ),
        },
        torch={"in place": written(lambda x: x.sigmoid_())},
    ),
    "tanh": unary(
        Kind.TANH,
        np.tanh,
        {
            "library": lambda F, x: F.tanh(x),
            "exp": lambda F, x: (F.exp(x) - F.exp(-x)) / (F.exp(x) + F.exp(-x)),
            "exp of 2 x": lambda F, x: (F.exp(2 * x) - 1) / (F.exp(2 * x) + 1),
            "sigmoid": lambda F, x: 2 * F.sigmoid(2 * x) - 1,
            "quotient": lambda F, x: 1 - 2 / (1 + F.exp(2 * x)),
        },
    ),
    "softplus": unary(
        Kind.SOFTPLUS,
        soft,
        {
            "library": lambda F, x: F.softplus(x),
            "log": lambda F, x: F.log(1 + F.exp(x)),
            "log1p": lambda F, x: F.log1p(F.exp(x)),
            "logaddexp": lambda F, x: F.logaddexp(x, 0 * x),
            "stable": lambda F, x: F.maximum(x, 0.0) + F.log1p(F.exp(-F.abs(x))),
            "thresholded": lambda F, x: F.where(x > 20, x, F.log1p(F.exp(F.minimum(x, 20.0)))),
            "less log_sigmoid": lambda F, x: -F.log_sigmoid(-x),
        },
    ),
    "log_sigmoid": unary(
        Kind.LOG_SIGMOID,
        lambda x: -soft(-x),
        {
            "library": lambda F, x: F.log_sigmoid(x),
            "log of sigmoid": lambda F, x: F.log(F.sigmoid(x)),
            "less softplus": lambda F, x: -F.softplus(-x),
            "log1p": lambda F, x: -F.log1p(F.exp(-x)),
            "stable": lambda F, x: F.minimum(x, 0.0) - F.log1p(F.exp(-F.abs(x))),
        },
    ),
    "softsign": unary(
        Kind.SOFTSIGN,
        lambda x: x / (1 + np.abs(x)),
        {
            "library": lambda F, x: F.softsign(x),
            "quotient": lambda F, x: x / (1 + F.abs(x)),
            "times reciprocal": lambda F, x: x * (1 / (F.abs(x) + 1)),
        },
    ),
    "abs": unary(
        Kind.ABS,
        np.abs,
        {
            "library": lambda F, x: F.abs(x),
            "maximum": lambda F, x: F.maximum(x, -x),
            "where": lambda F, x: F.where(x > 0, x, -x),
            "two relus": lambda F, x: F.relu(x) + F.relu(-x),
            "sign": lambda F, x: x * F.sign(x),
        },
    ),
}
