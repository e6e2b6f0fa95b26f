"""The functions that nets are spelled with, by one name in each framework."""

from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

import torch  # isort: skip  # before TensorFlow
import jax
import jax.numpy as jnp
import keras
import mlx.core as mx
import numpy as np
import tensorflow as tf
from flax import linen
from jax import lax
from mlx import nn as layers
from numpy.typing import NDArray
from torch.nn import functional

F64: Any = {"dtype": "float64"}
EPSILON = 1e-5
"""What normalisations add to a variance or to a mean square."""


def tensors(function: Callable[..., Any]) -> Callable[..., Any]:
    """torch's function of two tensors, also of a tensor and a number."""

    def of_numbers(*given: Any) -> Any:
        return function(*(torch.as_tensor(one, dtype=torch.float64) for one in given))

    return of_numbers


def doubles(function: Callable[..., Any]) -> Callable[..., Any]:
    """TensorFlow's function of two tensors, also of a number and a tensor, which it takes for less
    precise ones."""

    def of_numbers(*given: Any) -> Any:
        return function(*(tf.convert_to_tensor(one, tf.float64) for one in given))

    return of_numbers


def heads(attention: Callable[..., Any], reshape: Callable[..., Any]) -> Callable[..., Any]:
    """Attention with (N, tokens, heads, width), of one head (N, tokens, width)."""

    def one_head(query: Any, key: Any, value: Any) -> Any:
        count, width = tuple(query.shape)[1:]
        split = (-1, count, 1, width)
        mixed = attention(*(reshape(one, split) for one in (query, key, value)))
        return reshape(mixed, (-1, count, width))

    return one_head


NORMS = {"use_scale": False, "use_bias": False, "epsilon": EPSILON, "param_dtype": jnp.float64}
# Made once: a layer that is made anew is another one.
GROUP_NORM = keras.layers.GroupNormalization(
    2, axis=-1, epsilon=EPSILON, center=False, scale=False, **F64
)
LAYER_NORM = keras.layers.LayerNormalization(epsilon=EPSILON, center=False, scale=False, **F64)


def single(values: Any) -> mx.array:
    """MLX works in float32."""
    given = np.asarray(values)
    return mx.array(given.astype(np.float32) if given.dtype == np.float64 else given)


def batch_norm(x: mx.array, *parts: Any) -> mx.array:
    layer = layers.BatchNorm(int(x.shape[-1]), EPSILON)
    names = ("running_mean", "running_var", "weight", "bias")
    layer.update(dict(zip(names, map(single, parts), strict=True)))
    return layer(x)


def hard_sigmoid(x: mx.array) -> mx.array:
    """MLX has none."""
    return mx.clip(x / 6 + 0.5, 0, 1)


def selu(x: mx.array) -> mx.array:
    """MLX's own has constants of six digits, and so is an elu that is scaled."""
    return 1.0507009873554805 * layers.elu(x, 1.6732632423543772)


def attention(*given: mx.array) -> mx.array:
    query, key, value = (mx.swapaxes(one, 1, 2) for one in given)
    scale = float(query.shape[-1]) ** -0.5
    found = mx.fast.scaled_dot_product_attention(query, key, value, scale=scale)
    return mx.swapaxes(found, 1, 2)


Row = tuple[Any, Any, Any, Any]
TABLE: Mapping[str, Row] = {
    # Arithmetic
    "array": (torch.as_tensor, tf.constant, np.asarray, single),
    "abs": (torch.abs, tf.abs, jnp.abs, mx.abs),
    "sign": (torch.sign, tf.sign, jnp.sign, mx.sign),
    "exp": (torch.exp, tf.exp, jnp.exp, mx.exp),
    "expm1": (torch.expm1, tf.math.expm1, jnp.expm1, mx.expm1),
    "log": (torch.log, tf.math.log, jnp.log, mx.log),
    "log1p": (torch.log1p, tf.math.log1p, jnp.log1p, mx.log1p),
    "sqrt": (torch.sqrt, tf.sqrt, jnp.sqrt, mx.sqrt),
    "rsqrt": (torch.rsqrt, tf.math.rsqrt, lax.rsqrt, mx.rsqrt),
    "square": (torch.square, tf.square, jnp.square, mx.square),
    "reciprocal": (torch.reciprocal, tf.math.reciprocal, jnp.reciprocal, mx.reciprocal),
    "power": (torch.pow, tf.pow, jnp.power, mx.power),
    "erf": (torch.erf, tf.math.erf, jax.scipy.special.erf, mx.erf),
    "maximum": (tensors(torch.maximum), doubles(tf.maximum), jnp.maximum, mx.maximum),
    "minimum": (tensors(torch.minimum), doubles(tf.minimum), jnp.minimum, mx.minimum),
    "clip": (torch.clamp, tf.clip_by_value, jnp.clip, mx.clip),
    "where": (torch.where, tf.where, jnp.where, mx.where),
    "logaddexp": (tensors(torch.logaddexp), keras.ops.logaddexp, jnp.logaddexp, mx.logaddexp),
    "number": (
        lambda test: test.to(torch.float64),
        lambda test: tf.cast(test, tf.float64),
        lambda test: test.astype(jnp.float64),
        lambda test: test.astype(mx.float32),
    ),
    "zeros_like": (torch.zeros_like, tf.zeros_like, jnp.zeros_like, mx.zeros_like),
    "stopped": (torch.detach, tf.stop_gradient, lax.stop_gradient, mx.stop_gradient),
    "reshape": (torch.reshape, tf.reshape, jnp.reshape, mx.reshape),
    "swapped": (
        lambda x: x.transpose(-1, -2),
        lambda x: tf.linalg.matrix_transpose(x),
        lambda x: jnp.swapaxes(x, -1, -2),
        lambda x: mx.swapaxes(x, -1, -2),
    ),
    "concat": (
        lambda parts: torch.cat(parts, -1),
        lambda parts: tf.concat(parts, -1),
        lambda parts: jnp.concatenate(parts, -1),
        lambda parts: mx.concatenate(parts, -1),
    ),
    # Along the last axis, which is kept
    "sum": (
        lambda x, axis=-1: x.sum(axis, keepdim=True),
        lambda x, axis=-1: tf.reduce_sum(x, axis, keepdims=True),
        lambda x, axis=-1: x.sum(axis, keepdims=True),
        lambda x, axis=-1: x.sum(axis, keepdims=True),
    ),
    "mean": (
        lambda x, axis=-1: x.mean(axis, keepdim=True),
        lambda x, axis=-1: tf.reduce_mean(x, axis, keepdims=True),
        lambda x, axis=-1: x.mean(axis, keepdims=True),
        lambda x, axis=-1: x.mean(axis, keepdims=True),
    ),
    "var": (
        lambda x: x.var(-1, correction=0, keepdim=True),
        lambda x: tf.math.reduce_variance(x, -1, keepdims=True),
        lambda x: x.var(-1, keepdims=True),
        lambda x: x.var(-1, keepdims=True),
    ),
    "max": (
        lambda x, axis=-1: x.amax(axis, keepdim=True),
        lambda x, axis=-1: tf.reduce_max(x, axis, keepdims=True),
        lambda x, axis=-1: x.max(axis, keepdims=True),
        lambda x, axis=-1: x.max(axis, keepdims=True),
    ),
    "logsumexp": (
        lambda x: torch.logsumexp(x, -1, keepdim=True),
        lambda x: tf.reduce_logsumexp(x, -1, keepdims=True),
        lambda x: jax.nn.logsumexp(x, -1, keepdims=True),
        lambda x: mx.logsumexp(x, -1, keepdims=True),
    ),
    "softmax": (
        lambda x, axis=-1: functional.softmax(x, axis),
        lambda x, axis=-1: tf.nn.softmax(x, axis),
        jax.nn.softmax,
        lambda x, axis=-1: mx.softmax(x, axis),
    ),
    "log_softmax": (
        lambda x: functional.log_softmax(x, -1),
        tf.nn.log_softmax,
        jax.nn.log_softmax,
        layers.log_softmax,
    ),
    "norm": (
        lambda x: torch.linalg.vector_norm(x, dim=-1, keepdim=True),
        lambda x: tf.norm(x, axis=-1, keepdims=True),
        lambda x: jnp.linalg.norm(x, axis=-1, keepdims=True),
        lambda x: mx.linalg.norm(x, axis=-1, keepdims=True),
    ),
    # Activations
    "relu": (functional.relu, tf.nn.relu, jax.nn.relu, layers.relu),
    "relu6": (functional.relu6, tf.nn.relu6, jax.nn.relu6, layers.relu6),
    "leaky_relu": (
        functional.leaky_relu,
        lambda x: tf.nn.leaky_relu(x, 0.01),
        jax.nn.leaky_relu,
        layers.leaky_relu,
    ),
    "elu": (functional.elu, tf.nn.elu, jax.nn.elu, layers.elu),
    "selu": (functional.selu, tf.nn.selu, jax.nn.selu, selu),
    "celu": (
        lambda x: functional.celu(x, 1.7),
        lambda x: keras.ops.celu(x, 1.7),
        lambda x: jax.nn.celu(x, 1.7),
        lambda x: layers.celu(x, 1.7),
    ),
    "gelu": (functional.gelu, tf.nn.gelu, lambda x: jax.nn.gelu(x, approximate=False), layers.gelu),
    "tanh_gelu": (
        lambda x: functional.gelu(x, approximate="tanh"),
        lambda x: tf.nn.gelu(x, approximate=True),
        jax.nn.gelu,
        layers.gelu_approx,
    ),
    "silu": (functional.silu, tf.nn.silu, jax.nn.silu, layers.silu),
    "mish": (functional.mish, keras.activations.mish, jax.nn.mish, layers.mish),
    "hard_swish": (functional.hardswish, keras.ops.hard_silu, jax.nn.hard_swish, layers.hardswish),
    "hard_sigmoid": (functional.hardsigmoid, keras.ops.hard_sigmoid, jax.nn.hard_sigmoid, hard_sigmoid),
    "hard_tanh": (functional.hardtanh, keras.ops.hard_tanh, jax.nn.hard_tanh, layers.hard_tanh),
    "sigmoid": (torch.sigmoid, tf.sigmoid, jax.nn.sigmoid, mx.sigmoid),
    "tanh": (torch.tanh, tf.tanh, jnp.tanh, mx.tanh),
    "softplus": (functional.softplus, tf.nn.softplus, jax.nn.softplus, layers.softplus),
    "softsign": (functional.softsign, tf.nn.softsign, jax.nn.soft_sign, layers.softsign),
    "log_sigmoid": (functional.logsigmoid, tf.math.log_sigmoid, jax.nn.log_sigmoid, layers.log_sigmoid),
    "glu": (functional.glu, keras.ops.glu, jax.nn.glu, layers.glu),
    # Normalisations and attention
    "layer_norm": (
        lambda x: functional.layer_norm(x, (int(x.shape[-1]),), eps=EPSILON),
        LAYER_NORM,
        lambda x: linen.LayerNorm(**NORMS).apply({}, x),
        lambda x: mx.fast.layer_norm(x, None, None, EPSILON),
    ),
    "rms_norm": (
        lambda x: functional.rms_norm(x, (int(x.shape[-1]),), eps=EPSILON),
        lambda x: keras.ops.rms_normalization(x, axis=-1, epsilon=EPSILON),
        lambda x: linen.RMSNorm(
            epsilon=EPSILON, use_scale=False, param_dtype=jnp.float64
        ).apply({}, x),
        lambda x: mx.fast.rms_norm(x, None, EPSILON),
    ),
    "group_norm": (
        lambda x: functional.group_norm(x, 2, eps=EPSILON),
        GROUP_NORM,
        lambda x: linen.GroupNorm(2, **NORMS).apply({}, x),
        layers.GroupNorm(2, 8, EPSILON, affine=False, pytorch_compatible=True),
    ),
    "l2_normalised": (
        lambda x: functional.normalize(x, dim=-1),
        lambda x: tf.math.l2_normalize(x, -1),
        lambda x: x / jnp.linalg.norm(x, axis=-1, keepdims=True),
        lambda x: x / mx.linalg.norm(x, axis=-1, keepdims=True),
    ),
    "batch_norm": (
        lambda x, mean, variance, gain, bias: functional.batch_norm(
            x, *map(torch.as_tensor, (mean, variance, gain, bias)), eps=EPSILON
        ),
        lambda x, mean, variance, gain, bias: tf.nn.batch_normalization(
            x, mean, variance, bias, gain, EPSILON
        ),
        lambda x, mean, variance, gain, bias: (x - mean)
        * lax.rsqrt(jnp.asarray(variance + EPSILON))
        * gain
        + bias,
        batch_norm,
    ),
    "attention": (
        functional.scaled_dot_product_attention,
        heads(keras.ops.dot_product_attention, tf.reshape),
        heads(linen.dot_product_attention, jnp.reshape),
        heads(attention, mx.reshape),
    ),
}  # fmt: skip

SINGLE = frozenset(
    {
        *(("torch", name) for name in ("celu", "hard_sigmoid", "hard_swish", "hard gate")),
        *(("tensorflow", name) for name in ("leaky_relu", "gelu", "tanh_gelu", "geglu")),
    }
)
"""Families of which a framework's own call, or its derivative, has constants in single precision."""

FUNCTIONS: Mapping[str, SimpleNamespace] = {
    framework: SimpleNamespace(**{name: row[place] for name, row in TABLE.items()})
    for place, framework in enumerate(("torch", "tensorflow", "jax", "mlx"))
}


def normal(*shape: int, seed: int = 0) -> NDArray[np.float64]:
    return np.random.default_rng([seed, *shape]).normal(size=shape)
