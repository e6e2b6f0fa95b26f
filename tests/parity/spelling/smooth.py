"""Smooth activations, gates and cuts of each number by itself."""

import math

import jax
import keras
import numpy as np
from torch import nn
from torch.nn import functional

from backlight.rules.operations import Kind
from backlight.testing.reference import erf
from tests.parity.spelling.family import Family, logistic, reshaped, soft, unary, written

ROOT = math.sqrt(2 / math.pi)

SMOOTH: dict[str, Family] = {
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
