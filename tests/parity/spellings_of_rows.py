"""Functions in all the ways that people write them: of whole rows, and of several values."""

import math
from collections.abc import Callable
from typing import Any

import torch  # isort: skip  # before TensorFlow
import array_api_strict as strict
import keras
import numpy as np
import tensorflow as tf
from jax import lax
from torch.nn import functional

from backlight.operations import Kind
from tests import tape
from tests.parity.functions import EPSILON, normal
from tests.parity.spellings import Family, Spelling, unary
from tests.tape import Traced
from tests.tape import arrays as functions

MEAN, VARIANCE = normal(8, seed=1), 0.5 + normal(8, seed=2) ** 2
GAIN, BIAS = 1 + 0.3 * normal(8, seed=3), normal(8, seed=4)
SIZED = GAIN / np.sqrt(VARIANCE + EPSILON)
QUERY, KEY, VALUE = (0.5 * normal(4, 4, seed=seed) for seed in (5, 6, 7))
DIVISOR = 0.5 + np.abs(normal(8, seed=8))
BEFORE = np.tril(np.ones((2, 2))) > 0


def mean(x: Traced) -> Traced:
    return functions.mean(x, axis=-1, keepdims=True)


# Normalisations


def layer_norm(x: Traced) -> Traced:
    return tape.layer_norm(x, EPSILON)


def rms_norm(x: Traced) -> Traced:
    return x / functions.sqrt(mean(x * x) + EPSILON)


def group_norm(x: Traced) -> Traced:
    groups = functions.reshape(x, (-1, 2, 4))
    return functions.reshape(tape.layer_norm(groups, EPSILON), (-1, 8))


def l2_normalised(x: Traced) -> Traced:
    return x / functions.sqrt(functions.sum(x * x, axis=-1, keepdims=True))


def affine(norm: Callable[[Traced], Traced]) -> Callable[[Traced], Traced]:
    return lambda x: norm(x) * strict.asarray(GAIN) + strict.asarray(BIAS)


def variance(ops: Any, x: Any) -> Any:
    return ops.mean(ops.square(x - ops.mean(x)))


CENTRED: dict[str, Spelling] = {
    "var, sqrt": lambda ops, x: (x - ops.mean(x)) / ops.sqrt(ops.var(x) + EPSILON),
    "var, rsqrt": lambda ops, x: (x - ops.mean(x)) * ops.rsqrt(ops.var(x) + EPSILON),
    "rsqrt first": lambda ops, x: ops.rsqrt(ops.var(x) + EPSILON) * (x - ops.mean(x)),
    "square, sqrt": lambda ops, x: (x - ops.mean(x)) / ops.sqrt(variance(ops, x) + EPSILON),
    "square, rsqrt": lambda ops, x: (x - ops.mean(x)) * ops.rsqrt(EPSILON + variance(ops, x)),
    "square less square": lambda ops, x: (
        (x - ops.mean(x)) * ops.rsqrt(ops.mean(x * x) - ops.mean(x) ** 2 + EPSILON)
    ),
    "** -0.5": lambda ops, x: (x - ops.mean(x)) * (ops.var(x) + EPSILON) ** -0.5,
    "** 0.5": lambda ops, x: (x - ops.mean(x)) / (variance(ops, x) + EPSILON) ** 0.5,
    "1 / sqrt": lambda ops, x: (x - ops.mean(x)) * (1 / ops.sqrt(variance(ops, x) + EPSILON)),
    "product": lambda ops, x: (
        (x - ops.mean(x)) / ops.sqrt(ops.mean((x - ops.mean(x)) * (x - ops.mean(x))) + EPSILON)
    ),
    "sum over count": lambda ops, x: (
        (x - ops.sum(x) / 8) / ops.sqrt(ops.sum((x - ops.sum(x) / 8) ** 2) / 8 + EPSILON)
    ),
    "two terms": lambda ops, x: (
        x * ops.rsqrt(ops.var(x) + EPSILON) - ops.mean(x) * ops.rsqrt(ops.var(x) + EPSILON)
    ),
}  # fmt: skip


def in_groups(norm: Spelling) -> Spelling:
    return lambda ops, x: ops.reshape(norm(ops, ops.reshape(x, (-1, 2, 4))), (-1, 8))


def with_gain(norm: Spelling) -> Spelling:
    return lambda ops, x: norm(ops, x) * ops.array(GAIN) + ops.array(BIAS)


NORMALISATIONS: dict[str, Family] = {
    "layer_norm": Family(
        (Kind.NORMALIZATION,),
        layer_norm,
        {"library": lambda ops, x: ops.layer_norm(x), **CENTRED},
        tensorflow={
            "moments": lambda ops, x: tf.nn.batch_normalization(
                x, *tf.nn.moments(x, [-1], keepdims=True), None, None, EPSILON
            ),
            "keras.ops": lambda ops, x: keras.ops.layer_normalization(x, epsilon=EPSILON),
        },
    ),
    "layer_norm_with_gain": Family(
        (Kind.NORMALIZATION,),
        affine(layer_norm),
        {
            "library": with_gain(lambda ops, x: ops.layer_norm(x)),
            "var, sqrt": with_gain(CENTRED["var, sqrt"]),
            "square, rsqrt": with_gain(CENTRED["square, rsqrt"]),
            "gain first": lambda ops, x: (
                ops.array(GAIN) * (x - ops.mean(x)) / ops.sqrt(ops.var(x) + EPSILON) + ops.array(BIAS)
            ),
            "gain with size": lambda ops, x: (
                (x - ops.mean(x)) * (ops.array(GAIN) * ops.rsqrt(ops.var(x) + EPSILON)) + ops.array(BIAS)
            ),
        },
        torch={
            "parameters": lambda ops, x: functional.layer_norm(
                x, (8,), torch.as_tensor(GAIN), torch.as_tensor(BIAS), EPSILON
            )
        },
    ),
    "rms_norm": Family(
        (Kind.NORMALIZATION,),
        rms_norm,
        {
            "library": lambda ops, x: ops.rms_norm(x),
            "rsqrt": lambda ops, x: x * ops.rsqrt(ops.mean(x * x) + EPSILON),
            "rsqrt first": lambda ops, x: ops.rsqrt(ops.mean(ops.square(x)) + EPSILON) * x,
            "sqrt": lambda ops, x: x / ops.sqrt(ops.mean(x**2) + EPSILON),
            "** -0.5": lambda ops, x: x * (ops.mean(ops.square(x)) + EPSILON) ** -0.5,
            "** 0.5": lambda ops, x: x / (ops.mean(ops.square(x)) + EPSILON) ** 0.5,
            "1 / sqrt": lambda ops, x: x * (1 / ops.sqrt(ops.mean(x * x) + EPSILON)),
            "norm": lambda ops, x: x / ops.sqrt(ops.norm(x) ** 2 / 8 + EPSILON),
        },
    ),
    "group_norm": Family(
        (Kind.NORMALIZATION,),
        group_norm,
        {
            "library": lambda ops, x: ops.group_norm(x),
            **{name: in_groups(CENTRED[name]) for name in ("var, sqrt", "square, rsqrt")},
        },
    ),
    "l2_normalised": Family(
        (Kind.NORMALIZATION,),
        l2_normalised,
        {
            "library": lambda ops, x: ops.l2_normalised(x),
            "norm": lambda ops, x: x / ops.norm(x),
            "bounded norm": lambda ops, x: x / ops.maximum(ops.norm(x), 1e-12),
            "sqrt": lambda ops, x: x / ops.sqrt(ops.sum(x * x)),
            "rsqrt": lambda ops, x: x * ops.rsqrt(ops.sum(ops.square(x))),
            "** -0.5": lambda ops, x: x * ops.sum(x**2) ** -0.5,
        },
    ),
    "batch_norm": Family(
        (),  # constants: part of the linear operation before it, or a scale and a shift
        lambda x: x,
        {
            "library": lambda ops, x: ops.batch_norm(x, MEAN, VARIANCE, GAIN, BIAS),
            "sqrt": lambda ops, x: (
                (x - ops.array(MEAN)) / ops.sqrt(ops.array(VARIANCE) + EPSILON) * ops.array(GAIN)
                + ops.array(BIAS)
            ),
            "rsqrt": lambda ops, x: (
                ops.array(GAIN) * ((x - ops.array(MEAN)) * ops.rsqrt(ops.array(VARIANCE) + EPSILON))
                + ops.array(BIAS)
            ),
            "** -0.5": lambda ops, x: (
                x * (ops.array(GAIN) * (ops.array(VARIANCE) + EPSILON) ** -0.5)
                + ops.array(BIAS - MEAN * GAIN * (VARIANCE + EPSILON) ** -0.5)
            ),
        },
        folded=(SIZED, BIAS - MEAN * SIZED),
    ),
}  # fmt: skip


# Softmax and its kin


def off(ops: Any, x: Any) -> Any:
    return x - ops.max(x)


SOFTMAXES: dict[str, Family] = {
    "softmax": Family(
        (Kind.SOFTMAX,),
        tape.softmax,
        {
            "library": lambda ops, x: ops.softmax(x),
            "exp": lambda ops, x: ops.exp(x) / ops.sum(ops.exp(x)),
            "off maximum": lambda ops, x: ops.exp(off(ops, x)) / ops.sum(ops.exp(off(ops, x))),
            "off stopped maximum": lambda ops, x: (
                ops.exp(x - ops.stopped(ops.max(x))) / ops.sum(ops.exp(x - ops.stopped(ops.max(x))))
            ),
            "times reciprocal": lambda ops, x: ops.exp(x) * (1 / ops.sum(ops.exp(x))),
            "exp of log_softmax": lambda ops, x: ops.exp(ops.log_softmax(x)),
            "less logsumexp": lambda ops, x: ops.exp(x - ops.logsumexp(x)),
            "less log of sum": lambda ops, x: ops.exp(x - ops.log(ops.sum(ops.exp(x)))),
        },
        tensorflow={"keras.ops": lambda ops, x: keras.ops.softmax(x)},
        jax={"lax": lambda ops, x: lax.exp(x) / lax.exp(x).sum(-1, keepdims=True)},
    ),
    "log_softmax": Family(
        (Kind.LOG_SOFTMAX,),
        tape.log_softmax,
        {
            "library": lambda ops, x: ops.log_softmax(x),
            "less logsumexp": lambda ops, x: x - ops.logsumexp(x),
            "less log of sum": lambda ops, x: x - ops.log(ops.sum(ops.exp(x))),
            "off maximum": lambda ops, x: off(ops, x) - ops.log(ops.sum(ops.exp(off(ops, x)))),
            "log of softmax": lambda ops, x: ops.log(ops.softmax(x)),
        },
    ),
    "logsumexp": Family(
        (Kind.LOGSUMEXP,),
        lambda x: functions.expand_dims(tape.logsumexp(x), axis=-1),
        {
            "library": lambda ops, x: ops.logsumexp(x),
            "log": lambda ops, x: ops.log(ops.sum(ops.exp(x))),
            "off maximum": lambda ops, x: ops.log(ops.sum(ops.exp(off(ops, x)))) + ops.max(x),
            "maximum first": lambda ops, x: ops.max(x) + ops.log(ops.sum(ops.exp(off(ops, x)))),
            "off stopped maximum": lambda ops, x: (
                ops.log(ops.sum(ops.exp(x - ops.stopped(ops.max(x))))) + ops.stopped(ops.max(x))
            ),
        },
    ),
}  # fmt: skip


# Quotients


def smoothed(ops: Any, x: Any) -> Any:
    """What may be divided by."""
    return 1 + ops.square(x[:, 4:])


QUOTIENTS: dict[str, Family] = {
    "x / c": Family(
        (Kind.SCALE,),
        lambda x: x,
        {
            "quotient": lambda ops, x: x / ops.array(DIVISOR),
            "product": lambda ops, x: x * (1 / ops.array(DIVISOR)),
            "product turned": lambda ops, x: ops.array(1 / DIVISOR) * x,
            "reciprocal": lambda ops, x: ops.reciprocal(ops.array(DIVISOR)) * x,
            "power": lambda ops, x: x * ops.array(DIVISOR) ** -1,
        },
        folded=(1 / DIVISOR, 0.0),
    ),
    "c / x": Family(
        (Kind.POW,),
        lambda x: 2.0 / x,
        {
            "quotient": lambda ops, x: 2 / x,
            "reciprocal": lambda ops, x: 2 * ops.reciprocal(x),
            "power": lambda ops, x: 2 * x**-1.0,
            "divided": lambda ops, x: 1 / x / 0.5,
        },
    ),
    "x / y": Family(
        (Kind.POW, Kind.DIV),
        lambda x: x[:, :4] / (1.0 + x[:, 4:] * x[:, 4:]),
        {"quotient": lambda ops, x: x[:, :4] / smoothed(ops, x)},
    ),
    "x * (1 / y)": Family(
        (Kind.POW, Kind.POW, Kind.MUL),
        lambda x: x[:, :4] * (1.0 / (1.0 + x[:, 4:] * x[:, 4:])),
        {
            "product": lambda ops, x: x[:, :4] * (1 / smoothed(ops, x)),
            "product turned": lambda ops, x: 1 / smoothed(ops, x) * x[:, :4],
            "reciprocal": lambda ops, x: x[:, :4] * ops.reciprocal(smoothed(ops, x)),
            "power": lambda ops, x: x[:, :4] * smoothed(ops, x) ** -1.0,
            "constant with it": lambda ops, x: x[:, :4] * (0.5 / smoothed(ops, x)) * 2,
        },
    ),
    "x / y of changing sign": Family(
        (Kind.DIV,),
        lambda x: x[:, :4] / x[:, 4:],
        {"quotient": lambda ops, x: x[:, :4] / x[:, 4:]},
    ),
    "x * (1 / y) of changing sign": Family(
        (Kind.POW, Kind.MUL),
        lambda x: x[:, :4] / x[:, 4:],
        {
            "product": lambda ops, x: x[:, :4] * (1 / x[:, 4:]),
            "product turned": lambda ops, x: ops.reciprocal(x[:, 4:]) * x[:, :4],
            "power": lambda ops, x: x[:, :4] * x[:, 4:] ** -1.0,
            "constant with it": lambda ops, x: 0.5 * x[:, :4] * (2 / x[:, 4:]),
        },
    ),
}  # fmt: skip


# Gates


def gated(function: Callable[[Traced], Traced]) -> Callable[[Traced], Traced]:
    return lambda x: x[:, :4] * function(x[:, 4:])


def halves(gate: Callable[[Any, Any, Any], Any]) -> Spelling:
    """Of the functions, the value, and what the gate depends on."""
    return lambda ops, x: gate(ops, x[:, :4], x[:, 4:])


def both_sides(gate: Callable[[Any, Any], Any]) -> dict[str, Spelling]:
    return {
        "gate behind": halves(lambda ops, x, y: x * gate(ops, y)),
        "gate first": halves(lambda ops, x, y: gate(ops, y) * x),
        "constants": halves(lambda ops, x, y: 0.25 * x * (gate(ops, y) * 4.0)),
    }


GATES: dict[str, Family] = {
    "glu": Family(
        (Kind.SIGMOID, Kind.MUL),
        gated(tape.sigmoid),
        {
            "library": lambda ops, x: ops.glu(x),
            **both_sides(lambda ops, y: ops.sigmoid(y)),
            "quotient": halves(lambda ops, x, y: x * (1 / (1 + ops.exp(-y)))),
            "tanh": halves(lambda ops, x, y: x * (0.5 * (1 + ops.tanh(0.5 * y)))),
        },
    ),
    "swiglu": Family(
        (Kind.SILU, Kind.MUL),
        gated(tape.silu),
        {
            **both_sides(lambda ops, y: ops.silu(y)),
            "sigmoid": halves(lambda ops, x, y: x * (y * ops.sigmoid(y))),
            "quotient": halves(lambda ops, x, y: y / (1 + ops.exp(-y)) * x),
        },
    ),
    "geglu": Family(
        (Kind.GELU, Kind.MUL),
        gated(tape.gelu),
        {
            **both_sides(lambda ops, y: ops.gelu(y)),
            "erf": halves(lambda ops, x, y: x * (0.5 * y * (1 + ops.erf(y / math.sqrt(2))))),
        },
    ),
    "hard gate": Family(
        (Kind.HARD_SIGMOID, Kind.MUL),
        gated(unary(Kind.HARD_SIGMOID, lambda x: np.clip(x + 3, 0, 6) / 6, {}).reference),
        {
            **both_sides(lambda ops, y: ops.hard_sigmoid(y)),
            "relu6": halves(lambda ops, x, y: x * (ops.relu6(y + 3) / 6)),
            "relu6 first": halves(lambda ops, x, y: ops.relu6(y + 3.0) * (1 / 6) * x),
        },
    ),
}  # fmt: skip


# Attention: two tokens of width 4


def projected(ops: Any, x: Any) -> tuple[Any, Any, Any]:
    tokens = ops.reshape(x, (-1, 2, 4))
    return tokens @ ops.array(QUERY), tokens @ ops.array(KEY), tokens @ ops.array(VALUE)


def attention(
    score: Callable[[Any, Any, Any], Any], softmax: Spelling = lambda ops, x: ops.softmax(x)
) -> Spelling:
    """By hand, with scores of queries and transposed keys."""

    def spelled(ops: Any, x: Any) -> Any:
        query, key, value = projected(ops, x)
        return ops.reshape(softmax(ops, score(ops, query, ops.swapped(key))) @ value, (-1, 8))

    return spelled


def attended(
    mask: bool = False, before: float = 0.5, behind: float = 1.0
) -> Callable[[Traced], Traced]:
    """On the tape: queries times `before`, scores times `behind`."""

    def net(x: Traced) -> Traced:
        tokens = functions.reshape(x, (-1, 2, 4))
        query, key, value = (tape.dense(tokens, weight) for weight in (QUERY, KEY, VALUE))
        scores = tape.matmul(query * before, functions.permute_dims(key, (0, 2, 1))) * behind
        if mask:
            scores = scores + strict.asarray(np.where(BEFORE, 0, -1e9))
        return functions.reshape(tape.matmul(tape.softmax(scores), value), (-1, 8))

    return net


def masked(ops: Any, scores: Any, low: float) -> Any:
    return ops.where(ops.array(BEFORE), scores, ops.zeros_like(scores) + low)


EPSILON_IN_DENSE = ("lrp_epsilon",)
"""A scale right behind a linear operation is part of it, and epsilon counts in its units."""

KINDS = (Kind.DENSE,) * 3 + (Kind.MATMUL, Kind.SOFTMAX, Kind.MATMUL)

ATTENTION: dict[str, Family] = {
    "attention": Family(
        KINDS,
        attended(),
        {
            "library": lambda ops, x: ops.reshape(ops.attention(*projected(ops, x)), (-1, 8)),
            "scale on query": attention(lambda ops, q, k: (q * 0.5) @ k),
            "query divided": attention(lambda ops, q, k: (q / math.sqrt(4)) @ k),
            "scale on key": attention(lambda ops, q, k: q @ (0.5 * k)),
            "scale on both": attention(lambda ops, q, k: (q * 0.5**0.5) @ (k * 0.5**0.5)),
        },
        left_out=EPSILON_IN_DENSE,
    ),
    # Epsilon counts in units of the scores: before they are scaled, these are others.
    "attention with scaled scores": Family(
        KINDS,
        attended(before=1.0, behind=0.5),
        {
            "quotient": attention(lambda ops, q, k: q @ k / math.sqrt(4)),
            "product": attention(lambda ops, q, k: 0.5 * (q @ k)),
            "softmax by hand": attention(
                lambda ops, q, k: q @ k / 2, SOFTMAXES["softmax"].spellings["off maximum"]
            ),
        },
        left_out=EPSILON_IN_DENSE,
    ),
    "masked attention": Family(
        KINDS,
        attended(mask=True),
        {
            "where -1e9": attention(lambda ops, q, k: masked(ops, q * 0.5 @ k, -1e9)),
            "where -inf": attention(lambda ops, q, k: masked(ops, q * 0.5 @ k, -math.inf)),
            "added -1e9": attention(lambda ops, q, k: q * 0.5 @ k + ops.array(np.where(BEFORE, 0, -1e9))),
            "added -inf": attention(
                lambda ops, q, k: q * 0.5 @ k + ops.array(np.where(BEFORE, 0, -np.inf))
            ),
        },
        torch={
            "library": lambda ops, x: functional.scaled_dot_product_attention(
                *projected(ops, x), is_causal=True
            ).reshape(-1, 8),
            "library with a mask": lambda ops, x: functional.scaled_dot_product_attention(
                *projected(ops, x), attn_mask=torch.as_tensor(BEFORE)
            ).reshape(-1, 8),
            "masked_fill": attention(
                lambda ops, q, k: (q * 0.5 @ k).masked_fill(~torch.as_tensor(BEFORE), -math.inf)
            ),
        },
        left_out=EPSILON_IN_DENSE,
    ),
}  # fmt: skip

FAMILIES: dict[str, Family] = {**NORMALISATIONS, **SOFTMAXES, **QUOTIENTS, **GATES, **ATTENTION}
