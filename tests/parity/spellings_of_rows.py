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


def variance(F: Any, x: Any) -> Any:
    return F.mean(F.square(x - F.mean(x)))


CENTRED: dict[str, Spelling] = {
    "var, sqrt": lambda F, x: (x - F.mean(x)) / F.sqrt(F.var(x) + EPSILON),
    "var, rsqrt": lambda F, x: (x - F.mean(x)) * F.rsqrt(F.var(x) + EPSILON),
    "rsqrt first": lambda F, x: F.rsqrt(F.var(x) + EPSILON) * (x - F.mean(x)),
    "square, sqrt": lambda F, x: (x - F.mean(x)) / F.sqrt(variance(F, x) + EPSILON),
    "square, rsqrt": lambda F, x: (x - F.mean(x)) * F.rsqrt(EPSILON + variance(F, x)),
    "square less square": lambda F, x: (
        (x - F.mean(x)) * F.rsqrt(F.mean(x * x) - F.mean(x) ** 2 + EPSILON)
    ),
    "** -0.5": lambda F, x: (x - F.mean(x)) * (F.var(x) + EPSILON) ** -0.5,
    "** 0.5": lambda F, x: (x - F.mean(x)) / (variance(F, x) + EPSILON) ** 0.5,
    "1 / sqrt": lambda F, x: (x - F.mean(x)) * (1 / F.sqrt(variance(F, x) + EPSILON)),
    "product": lambda F, x: (
        (x - F.mean(x)) / F.sqrt(F.mean((x - F.mean(x)) * (x - F.mean(x))) + EPSILON)
    ),
    "sum over count": lambda F, x: (
        (x - F.sum(x) / 8) / F.sqrt(F.sum((x - F.sum(x) / 8) ** 2) / 8 + EPSILON)
    ),
    "two terms": lambda F, x: (
        x * F.rsqrt(F.var(x) + EPSILON) - F.mean(x) * F.rsqrt(F.var(x) + EPSILON)
    ),
}  # fmt: skip


def in_groups(norm: Spelling) -> Spelling:
    return lambda F, x: F.reshape(norm(F, F.reshape(x, (-1, 2, 4))), (-1, 8))


def with_gain(norm: Spelling) -> Spelling:
    return lambda F, x: norm(F, x) * F.array(GAIN) + F.array(BIAS)


NORMALISATIONS: dict[str, Family] = {
    "layer_norm": Family(
        (Kind.NORMALIZATION,),
        layer_norm,
        {"library": lambda F, x: F.layer_norm(x), **CENTRED},
        tensorflow={
            "moments": lambda F, x: tf.nn.batch_normalization(
                x, *tf.nn.moments(x, [-1], keepdims=True), None, None, EPSILON
            ),
            "keras.ops": lambda F, x: keras.ops.layer_normalization(x, epsilon=EPSILON),
        },
    ),
    "layer_norm_with_gain": Family(
        (Kind.NORMALIZATION,),
        affine(layer_norm),
        {
            "library": with_gain(lambda F, x: F.layer_norm(x)),
            "var, sqrt": with_gain(CENTRED["var, sqrt"]),
            "square, rsqrt": with_gain(CENTRED["square, rsqrt"]),
            "gain first": lambda F, x: (
                F.array(GAIN) * (x - F.mean(x)) / F.sqrt(F.var(x) + EPSILON) + F.array(BIAS)
            ),
            "gain with size": lambda F, x: (
                (x - F.mean(x)) * (F.array(GAIN) * F.rsqrt(F.var(x) + EPSILON)) + F.array(BIAS)
            ),
        },
        torch={
            "parameters": lambda F, x: functional.layer_norm(
                x, (8,), torch.as_tensor(GAIN), torch.as_tensor(BIAS), EPSILON
            )
        },
    ),
    "rms_norm": Family(
        (Kind.NORMALIZATION,),
        rms_norm,
        {
            "library": lambda F, x: F.rms_norm(x),
            "rsqrt": lambda F, x: x * F.rsqrt(F.mean(x * x) + EPSILON),
            "rsqrt first": lambda F, x: F.rsqrt(F.mean(F.square(x)) + EPSILON) * x,
            "sqrt": lambda F, x: x / F.sqrt(F.mean(x**2) + EPSILON),
            "** -0.5": lambda F, x: x * (F.mean(F.square(x)) + EPSILON) ** -0.5,
            "** 0.5": lambda F, x: x / (F.mean(F.square(x)) + EPSILON) ** 0.5,
            "1 / sqrt": lambda F, x: x * (1 / F.sqrt(F.mean(x * x) + EPSILON)),
            "norm": lambda F, x: x / F.sqrt(F.norm(x) ** 2 / 8 + EPSILON),
        },
    ),
    "group_norm": Family(
        (Kind.NORMALIZATION,),
        group_norm,
        {
            "library": lambda F, x: F.group_norm(x),
            **{name: in_groups(CENTRED[name]) for name in ("var, sqrt", "square, rsqrt")},
        },
    ),
    "l2_normalised": Family(
        (Kind.NORMALIZATION,),
        l2_normalised,
        {
            "library": lambda F, x: F.l2_normalised(x),
            "norm": lambda F, x: x / F.norm(x),
            "bounded norm": lambda F, x: x / F.maximum(F.norm(x), 1e-12),
            "sqrt": lambda F, x: x / F.sqrt(F.sum(x * x)),
            "rsqrt": lambda F, x: x * F.rsqrt(F.sum(F.square(x))),
            "** -0.5": lambda F, x: x * F.sum(x**2) ** -0.5,
        },
    ),
    "batch_norm": Family(
        (),  # constants: part of the linear operation before it, or a scale and a shift
        lambda x: x,
        {
            "library": lambda F, x: F.batch_norm(x, MEAN, VARIANCE, GAIN, BIAS),
            "sqrt": lambda F, x: (
                (x - F.array(MEAN)) / F.sqrt(F.array(VARIANCE) + EPSILON) * F.array(GAIN)
                + F.array(BIAS)
            ),
            "rsqrt": lambda F, x: (
                F.array(GAIN) * ((x - F.array(MEAN)) * F.rsqrt(F.array(VARIANCE) + EPSILON))
                + F.array(BIAS)
            ),
            "** -0.5": lambda F, x: (
                x * (F.array(GAIN) * (F.array(VARIANCE) + EPSILON) ** -0.5)
                + F.array(BIAS - MEAN * GAIN * (VARIANCE + EPSILON) ** -0.5)
            ),
        },
        folded=(SIZED, BIAS - MEAN * SIZED),
    ),
}  # fmt: skip


# Softmax and its kin


def off(F: Any, x: Any) -> Any:
    return x - F.max(x)


SOFTMAXES: dict[str, Family] = {
    "softmax": Family(
        (Kind.SOFTMAX,),
        tape.softmax,
        {
            "library": lambda F, x: F.softmax(x),
            "exp": lambda F, x: F.exp(x) / F.sum(F.exp(x)),
            "off maximum": lambda F, x: F.exp(off(F, x)) / F.sum(F.exp(off(F, x))),
            "off stopped maximum": lambda F, x: (
                F.exp(x - F.stopped(F.max(x))) / F.sum(F.exp(x - F.stopped(F.max(x))))
            ),
            "times reciprocal": lambda F, x: F.exp(x) * (1 / F.sum(F.exp(x))),
            "exp of log_softmax": lambda F, x: F.exp(F.log_softmax(x)),
            "less logsumexp": lambda F, x: F.exp(x - F.logsumexp(x)),
            "less log of sum": lambda F, x: F.exp(x - F.log(F.sum(F.exp(x)))),
        },
        tensorflow={"keras.ops": lambda F, x: keras.ops.softmax(x)},
        jax={"lax": lambda F, x: lax.exp(x) / lax.exp(x).sum(-1, keepdims=True)},
    ),
    "log_softmax": Family(
        (Kind.LOG_SOFTMAX,),
        tape.log_softmax,
        {
            "library": lambda F, x: F.log_softmax(x),
            "less logsumexp": lambda F, x: x - F.logsumexp(x),
            "less log of sum": lambda F, x: x - F.log(F.sum(F.exp(x))),
            "off maximum": lambda F, x: off(F, x) - F.log(F.sum(F.exp(off(F, x)))),
            "log of softmax": lambda F, x: F.log(F.softmax(x)),
        },
    ),
    "logsumexp": Family(
        (Kind.LOGSUMEXP,),
        lambda x: functions.expand_dims(tape.logsumexp(x), axis=-1),
        {
            "library": lambda F, x: F.logsumexp(x),
            "log": lambda F, x: F.log(F.sum(F.exp(x))),
            "off maximum": lambda F, x: F.log(F.sum(F.exp(off(F, x)))) + F.max(x),
            "maximum first": lambda F, x: F.max(x) + F.log(F.sum(F.exp(off(F, x)))),
            "off stopped maximum": lambda F, x: (
                F.log(F.sum(F.exp(x - F.stopped(F.max(x))))) + F.stopped(F.max(x))
            ),
        },
    ),
}  # fmt: skip


# Quotients


def smoothed(F: Any, x: Any) -> Any:
    """What may be divided by."""
    return 1 + F.square(x[:, 4:])


QUOTIENTS: dict[str, Family] = {
    "x / c": Family(
        (Kind.SCALE,),
        lambda x: x,
        {
            "quotient": lambda F, x: x / F.array(DIVISOR),
            "product": lambda F, x: x * (1 / F.array(DIVISOR)),
            "product turned": lambda F, x: F.array(1 / DIVISOR) * x,
            "reciprocal": lambda F, x: F.reciprocal(F.array(DIVISOR)) * x,
            "power": lambda F, x: x * F.array(DIVISOR) ** -1,
        },
        folded=(1 / DIVISOR, 0.0),
    ),
    "c / x": unary(
        Kind.POW,
        lambda x: 2 / x,
        {
            "quotient": lambda F, x: 2 / x,
            "reciprocal": lambda F, x: 2 * F.reciprocal(x),
            "power": lambda F, x: 2 * x**-1.0,
            "divided": lambda F, x: 1 / x / 0.5,
        },
    ),
    "x / y": Family(
        (Kind.POW, Kind.DIV),
        lambda x: x[:, :4] / (1.0 + x[:, 4:] * x[:, 4:]),
        {"quotient": lambda F, x: x[:, :4] / smoothed(F, x)},
    ),
    "x * (1 / y)": Family(
        (Kind.POW, Kind.POW, Kind.MUL),
        lambda x: x[:, :4] * (1.0 / (1.0 + x[:, 4:] * x[:, 4:])),
        {
            "product": lambda F, x: x[:, :4] * (1 / smoothed(F, x)),
            "product turned": lambda F, x: 1 / smoothed(F, x) * x[:, :4],
            "reciprocal": lambda F, x: x[:, :4] * F.reciprocal(smoothed(F, x)),
            "power": lambda F, x: x[:, :4] * smoothed(F, x) ** -1.0,
            "constant with it": lambda F, x: x[:, :4] * (0.5 / smoothed(F, x)) * 2,
        },
    ),
    "x / y of changing sign": Family(
        (Kind.DIV,),
        lambda x: x[:, :4] / x[:, 4:],
        {"quotient": lambda F, x: x[:, :4] / x[:, 4:]},
    ),
    "x * (1 / y) of changing sign": Family(
        (Kind.POW, Kind.MUL),
        lambda x: x[:, :4] / x[:, 4:],
        {
            "product": lambda F, x: x[:, :4] * (1 / x[:, 4:]),
            "product turned": lambda F, x: F.reciprocal(x[:, 4:]) * x[:, :4],
            "power": lambda F, x: x[:, :4] * x[:, 4:] ** -1.0,
            "constant with it": lambda F, x: 0.5 * x[:, :4] * (2 / x[:, 4:]),
        },
    ),
}  # fmt: skip


# Gates


def gated(function: Callable[[Traced], Traced]) -> Callable[[Traced], Traced]:
    return lambda x: x[:, :4] * function(x[:, 4:])


def both_sides(gate: Callable[[Any, Any], Any]) -> dict[str, Spelling]:
    return {
        "gate behind": lambda F, x: x[:, :4] * gate(F, x[:, 4:]),
        "gate first": lambda F, x: gate(F, x[:, 4:]) * x[:, :4],
        "constants": lambda F, x: 0.25 * x[:, :4] * (gate(F, x[:, 4:]) * 4.0),
    }


GATES: dict[str, Family] = {
    "glu": Family(
        (Kind.SIGMOID, Kind.MUL),
        gated(tape.sigmoid),
        {
            "library": lambda F, x: F.glu(x),
            **both_sides(lambda F, y: F.sigmoid(y)),
            "quotient": lambda F, x: x[:, :4] * (1 / (1 + F.exp(-x[:, 4:]))),
            "tanh": lambda F, x: x[:, :4] * (0.5 * (1 + F.tanh(0.5 * x[:, 4:]))),
        },
    ),
    "swiglu": Family(
        (Kind.SILU, Kind.MUL),
        gated(tape.silu),
        {
            **both_sides(lambda F, y: F.silu(y)),
            "sigmoid": lambda F, x: x[:, :4] * (x[:, 4:] * F.sigmoid(x[:, 4:])),
            "quotient": lambda F, x: x[:, 4:] / (1 + F.exp(-x[:, 4:])) * x[:, :4],
        },
    ),
    "geglu": Family(
        (Kind.GELU, Kind.MUL),
        gated(tape.gelu),
        {
            **both_sides(lambda F, y: F.gelu(y)),
            "erf": lambda F, x: (
                x[:, :4] * (0.5 * x[:, 4:] * (1 + F.erf(x[:, 4:] / math.sqrt(2))))
            ),
        },
    ),
    "hard gate": Family(
        (Kind.HARD_SIGMOID, Kind.MUL),
        gated(unary(
            Kind.HARD_SIGMOID, lambda x: np.clip(x + 3, 0, 6) / 6, {}
        ).reference),
        {
            "library": lambda F, x: x[:, :4] * F.hard_sigmoid(x[:, 4:]),
            "relu6": lambda F, x: x[:, :4] * (F.relu6(x[:, 4:] + 3) / 6),
            "relu6 first": lambda F, x: F.relu6(x[:, 4:] + 3.0) * (1 / 6) * x[:, :4],
        },
    ),
}  # fmt: skip


# Attention: two tokens of width 4


def projected(F: Any, x: Any) -> tuple[Any, Any, Any]:
    tokens = F.reshape(x, (-1, 2, 4))
    return tokens @ F.array(QUERY), tokens @ F.array(KEY), tokens @ F.array(VALUE)


def attention(
    score: Callable[[Any, Any, Any], Any], softmax: Spelling = lambda F, x: F.softmax(x)
) -> Spelling:
    """By hand, with scores of queries and transposed keys."""

    def spelled(F: Any, x: Any) -> Any:
        query, key, value = projected(F, x)
        return F.reshape(softmax(F, score(F, query, F.swapped(key))) @ value, (-1, 8))

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


def masked(F: Any, scores: Any, low: float) -> Any:
    return F.where(F.array(BEFORE), scores, F.zeros_like(scores) + low)


EPSILON_IN_DENSE = ("lrp_epsilon",)
"""A scale right behind a linear operation is part of it, and epsilon counts in its units."""

KINDS = (Kind.DENSE,) * 3 + (Kind.MATMUL, Kind.SOFTMAX, Kind.MATMUL)

ATTENTION: dict[str, Family] = {
    "attention": Family(
        KINDS,
        attended(),
        {
            "library": lambda F, x: F.reshape(F.attention(*projected(F, x)), (-1, 8)),
            "scale on query": attention(lambda F, q, k: (q * 0.5) @ k),
            "query divided": attention(lambda F, q, k: (q / math.sqrt(4)) @ k),
            "scale on key": attention(lambda F, q, k: q @ (0.5 * k)),
            "scale on both": attention(lambda F, q, k: (q * 0.5**0.5) @ (k * 0.5**0.5)),
        },
        left_out=EPSILON_IN_DENSE,
    ),
    # Epsilon counts in units of the scores: before they are scaled, these are others.
    "attention with scaled scores": Family(
        KINDS,
        attended(before=1.0, behind=0.5),
        {
            "quotient": attention(lambda F, q, k: q @ k / math.sqrt(4)),
            "product": attention(lambda F, q, k: 0.5 * (q @ k)),
            "softmax by hand": attention(
                lambda F, q, k: q @ k / 2, SOFTMAXES["softmax"].spellings["off maximum"]
            ),
        },
        left_out=EPSILON_IN_DENSE,
    ),
    "masked attention": Family(
        KINDS,
        attended(mask=True),
        {
            "where -1e9": attention(lambda F, q, k: masked(F, q * 0.5 @ k, -1e9)),
            "where -inf": attention(lambda F, q, k: masked(F, q * 0.5 @ k, -math.inf)),
            "added -1e9": attention(lambda F, q, k: q * 0.5 @ k + F.array(np.where(BEFORE, 0, -1e9))),
            "added -inf": attention(
                lambda F, q, k: q * 0.5 @ k + F.array(np.where(BEFORE, 0, -np.inf))
            ),
        },
        torch={
            "library": lambda F, x: functional.scaled_dot_product_attention(
                *projected(F, x), is_causal=True
            ).reshape(-1, 8),
            "library with a mask": lambda F, x: functional.scaled_dot_product_attention(
                *projected(F, x), attn_mask=torch.as_tensor(BEFORE)
            ).reshape(-1, 8),
            "masked_fill": attention(
                lambda F, q, k: (q * 0.5 @ k).masked_fill(~torch.as_tensor(BEFORE), -math.inf)
            ),
        },
        left_out=EPSILON_IN_DENSE,
    ),
}  # fmt: skip

FAMILIES: dict[str, Family] = {**NORMALISATIONS, **SOFTMAXES, **QUOTIENTS, **GATES, **ATTENTION}
