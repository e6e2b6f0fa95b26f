"""Values divided by a size of their own, and batch normalisation with constant statistics."""

from collections.abc import Callable
from typing import Any

import torch  # isort: skip  # before TensorFlow
import array_api_strict as strict
import keras
import numpy as np
import tensorflow as tf
from torch.nn import functional

from backlight.rules.operations import Kind
from tests import tape
from tests.parity.spelling.family import Family, Spelling
from tests.parity.spelling.functions import EPSILON, normal
from tests.tape import Traced
from tests.tape import arrays as functions

MEAN, VARIANCE = normal(8, seed=1), 0.5 + normal(8, seed=2) ** 2
GAIN, BIAS = 1 + 0.3 * normal(8, seed=3), normal(8, seed=4)
SIZED = GAIN / np.sqrt(VARIANCE + EPSILON)


def mean(x: Traced) -> Traced:
    return functions.mean(x, axis=-1, keepdims=True)


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
