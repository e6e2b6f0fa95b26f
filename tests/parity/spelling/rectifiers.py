"""Rectifiers that are straight but for kinks, and those with an exponential below 0."""

from typing import Any

import torch  # isort: skip  # before TensorFlow
import jax
import jax.numpy as jnp
import keras
import numpy as np
import tensorflow as tf
from jax import lax
from torch import nn
from torch.nn import functional

from backlight.rules.operations import Kind
from tests.parity.spelling.family import Family, reshaped, unary, written


def into_views(ops: Any, x: Any) -> Any:
    y, z = torch.zeros_like(x), x.relu()
    y[:, :3] = z[:, :3]
    y[:, 3:].copy_(z[:, 3:])
    return y


SCALE, ALPHA = 1.0507009873554805, 1.6732632423543772

RECTIFIERS: dict[str, Family] = {
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
            "slice in place": written(lambda x: x[:, :].relu_()),
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
}
