"""Rules on TensorFlow and Keras nets: nets and helpers."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

# First, because torch and TensorFlow bring clashing libraries and only this order loads.
import torch  # isort: skip  # noqa: F401
import keras
import numpy as np
import tensorflow as tf
from keras import layers
from numpy.typing import NDArray

import backlight
from backlight.explaining.targets import as_score
from backlight.model.model import Gradient, Model
from backlight.rules.operations import Kind
from backlight.rules.rules import AppliedOperation, Rule, Rules
from backlight.scores.scores import Score
from backlight.testing.rules import (
    COMPLETE,
    Native,
    by_kind,
)
from backlight.values.arrays import Array

Values = NDArray[Any]


F64 = "float64"


COMMON: Any = {"dtype": F64}


EVERYTHING = by_kind({kind: Native() for kind in Kind})


def numbers(*shape: int, seed: int = 0) -> Values:
    return np.random.default_rng(seed).normal(size=shape)


def wrap(net: object) -> Model:
    return backlight.wrap(net, framework="tensorflow")


def bound(model: Model, x: Any, target: Any = 1) -> Score:
    inputs = model.prepare(x)
    return as_score(target).bind(model.outputs(inputs), inputs.count)


def host(array: Any) -> Values:
    return np.asarray(array)


def ruled(net: Any, x: Any, rules: Rules, target: Any = 1, **options: Any) -> Gradient:
    model = wrap(net)
    return model.gradient(x, bound(model, x, target), rules=rules, **options)


def kinds(net: Any, x: Any, rules: Rules | None = None, target: Any = None) -> list[str]:
    model = wrap(net)
    score = None if target is None else bound(model, x, target)
    return [str(one.kind) for one in model.operations(x, score=score, rules=rules)]


def settled(net: Any, seed: int = 1) -> Any:
    """The net with drawn weights, so that biases and moving statistics are not trivial."""
    for place, variable in enumerate(net.variables):
        if variable.dtype.startswith("float"):
            drawn = numbers(*variable.shape, seed=seed + place) / 2
            positive = variable.name in ("moving_variance", "gamma")
            variable.assign(np.abs(drawn) + 0.5 if positive else drawn)
    return net


def gap(found: Gradient, x: Values, start: Values) -> float:
    total = ((x - start) * host(found.gradient)).reshape(len(x), -1).sum(1)
    return float(np.abs(total - (host(found.score) - host(found.reference_score))).max())


def cnn() -> Any:
    net = settled(
        keras.Sequential(
            [
                keras.Input((9, 9, 2), **COMMON),
                layers.Conv2D(4, 3, name="conv", **COMMON),
                layers.BatchNormalization(name="norm", **COMMON),
                layers.ReLU(name="relu", **COMMON),
                layers.MaxPooling2D(3, 2, name="pool", **COMMON),
                layers.Conv2D(3, 2, activation="relu", name="deep", **COMMON),
                layers.Flatten(**COMMON),
                layers.Dense(5, activation="tanh", name="hidden", **COMMON),
                layers.Dense(3, name="logits", **COMMON),
            ]
        )
    )
    net.get_layer("deep").bias.assign([1.0, 2.0, -1.0])
    return net


def separable() -> Any:
    return settled(
        keras.Sequential(
            [
                keras.Input((6, 6, 2), **COMMON),
                layers.DepthwiseConv2D(3, depth_multiplier=2, padding="same", **COMMON),
                layers.BatchNormalization(**COMMON),
                layers.LeakyReLU(**COMMON),
                layers.Conv2DTranspose(3, 3, strides=2, **COMMON),
                layers.BatchNormalization(**COMMON),
                layers.ReLU(6.0, **COMMON),
                layers.AveragePooling2D(2, **COMMON),
                layers.Conv2D(3, 2, dilation_rate=2, **COMMON),
                layers.GlobalAveragePooling2D(**COMMON),
                layers.Dense(3, **COMMON),
            ]
        )
    )


def sequence() -> Any:
    return settled(
        keras.Sequential(
            [
                keras.Input((9, 3), **COMMON),
                layers.Conv1D(3, 2, padding="causal", **COMMON),
                layers.PReLU(**COMMON),
                layers.MaxPooling1D(2, **COMMON),
                layers.Conv1D(4, 2, dilation_rate=2, activation="elu", **COMMON),
                layers.GlobalMaxPooling1D(**COMMON),
                layers.Dense(3, **COMMON),
            ]
        )
    )


def transformer() -> Any:
    words = keras.Input((4, 6), **COMMON)
    x = layers.LayerNormalization(name="before", **COMMON)(words)
    x = layers.MultiHeadAttention(2, 3, name="attention", **COMMON)(x, x) + words
    hidden = layers.RMSNormalization(name="size", **COMMON)(x)
    hidden = layers.Dense(8, activation="gelu", name="wide", **COMMON)(hidden)
    x = x + layers.Dense(6, name="narrow", **COMMON)(hidden)
    pooled = layers.GlobalAveragePooling1D(**COMMON)(x)
    return settled(keras.Model(words, layers.Dense(3, name="logits", **COMMON)(pooled)))


def gated() -> Any:
    pixels = keras.Input((4, 4, 6), **COMMON)
    x = layers.GroupNormalization(2, **COMMON)(pixels)
    weights = layers.GlobalAveragePooling2D(keepdims=True, **COMMON)(x)
    weights = layers.Conv2D(6, 1, activation="sigmoid", **COMMON)(weights)
    x = layers.Concatenate(**COMMON)([x * weights, layers.Dropout(0.5, **COMMON)(x)])
    x = layers.Dense(4, activation="silu", **COMMON)(layers.Flatten(**COMMON)(x))
    return settled(keras.Model(pixels, layers.Dense(3, activation="softmax", **COMMON)(x)))


def recurrent() -> Any:
    return settled(
        keras.Sequential(
            [
                keras.Input((4, 2), **COMMON),
                layers.LSTM(3, name="loop", **COMMON),
                layers.Dense(3, **COMMON),
            ]
        )
    )


class Plain(tf.Module):
    """A net in TensorFlow's own words: einsum, slices, in nested functions, with hand-written relus."""

    def __init__(self) -> None:
        super().__init__()
        self.w = tf.Variable(numbers(3, 4, seed=3) / 2)
        self.v = tf.Variable(numbers(8, 3, seed=4) / 4)

    @tf.function
    def inner(self, x: Any) -> Any:
        return tf.maximum(tf.einsum("bti,ij->btj", x, self.w) - 0.25, 0.0)

    def __call__(self, x: Any) -> Any:
        h = self.inner(x)
        more = tf.where(h > 0.5, h, tf.zeros_like(h)) + tf.concat([h[:, 1:], h[:, :1]], 1)
        both = tf.matmul(h, more, transpose_b=True) / tf.sqrt(tf.constant(2.0, h.dtype))
        mixed = tf.reduce_logsumexp(tf.matmul(both, h) / (1.0 + tf.square(h)), axis=1)
        return tf.matmul(tf.concat([mixed, tf.reduce_max(h, axis=1)], -1), self.v)


NETS: dict[str, tuple[Callable[[], Any], tuple[int, ...]]] = {
    "cnn": (cnn, (3, 9, 9, 2)),
    "separable": (separable, (2, 6, 6, 2)),
    "sequence": (sequence, (2, 9, 3)),
    "transformer": (transformer, (2, 4, 6)),
    "gated": (gated, (2, 4, 4, 6)),
    "recurrent": (recurrent, (2, 4, 2)),
    "plain": (Plain, (2, 4, 3)),
}


def case(name: str) -> tuple[Any, Values, Values]:
    make, shape = NETS[name]
    return make(), numbers(*shape), numbers(1, *shape[1:], seed=9)


shared = cache(case)
"""A case for tests that leave the net as it is: it is traced once for all of them."""


@dataclass(frozen=True)
class Way(Rule):
    """The derivative averaged over the way from the reference: complete for whatever is smooth."""

    nodes: int = 12

    def __call__(self, op: AppliedOperation, grad: Array) -> list[Array]:
        assert op.reference is not None
        nodes, weights = np.polynomial.legendre.leggauss(self.nodes)
        total: list[Array] = []
        for node, weight in zip((nodes + 1) / 2, weights / 2, strict=True):
            points = [
                a + (x - a) * float(node)
                for x, a in zip(op.inputs, op.reference.inputs, strict=True)
            ]
            found = [part * float(weight) for part in op.vjp(grad, inputs=points)]
            total = [a + b for a, b in zip(total, found, strict=True)] if total else found
        return total


SMOOTH = {kind: Way() for kind in (Kind.SOFTMAX, Kind.LOG_SOFTMAX, Kind.LOGSUMEXP, Kind.DIV)}


LOOPS = {Kind.OTHER: Way(6)}  # each node costs the loop and its gradient


SUMMING = by_kind({**dict(COMPLETE.pairs), **SMOOTH, **LOOPS})  # type: ignore[attr-defined]
