"""Functions that look like known ones and are others: what they must not be taken for."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import array_api_strict as strict
import numpy as np

from backlight.rules.operations import SMOOTH_RECTIFIERS, Kind
from backlight.testing.reference import erf
from tests import tape
from tests.parity.spelling.family import Spelling, logistic, reference
from tests.parity.spelling.functions import EPSILON, normal
from tests.parity.spelling.smooth import ROOT
from tests.tape import Raw, Traced
from tests.tape import arrays as functions

OF_ONE = ("guided_backprop", "deep_lift")
"""What is the same however a function of each number is cut into pieces that are no rectifiers."""
ALL = (*OF_ONE, "lrp_epsilon", "lrp_composite")
BARE = ("deep_lift",)
"""What is the same whatever rectifiers a function of each number is made of."""

RECTIFIERS = frozenset({Kind.RELU, Kind.RELU6, Kind.LEAKY_RELU, Kind.PRELU}) | SMOOTH_RECTIFIERS


@dataclass(frozen=True)
class NearMiss:
    """A function that has no name of its own.

    Attributes:
        spelling: it.
        never: what no operation in it is.
        reference: the same on a tape.
        techniques: those that the reference judges.
    """

    spelling: Spelling
    never: frozenset[Kind]
    reference: Callable[[Traced], Traced]
    techniques: tuple[str, ...] = ALL


def of_one(
    spelling: Spelling,
    f: Callable[[Raw], Raw],
    never: frozenset[Kind] = RECTIFIERS,
    techniques: tuple[str, ...] = OF_ONE,
) -> NearMiss:
    return NearMiss(spelling, never, reference(Kind.ELEMENTWISE, f), techniques)


def never(*kinds: Kind) -> frozenset[Kind]:
    return frozenset(kinds)


def gate6(x: Raw) -> Raw:
    return np.clip(x + 3, 0, 6) / 6


OF_NUMBERS: Mapping[str, NearMiss] = {
    "relu from 0.002": of_one(
        lambda ops, x: ops.where(x > 0.002, x, ops.zeros_like(x)), lambda x: np.where(x > 0.002, x, 0)
    ),
    "relu from -0.002": of_one(
        lambda ops, x: ops.where(x > -0.002, x, ops.zeros_like(x)), lambda x: np.where(x > -0.002, x, 0)
    ),
    "relu that ends in 0.001": of_one(
        lambda ops, x: ops.where(x > 0, x, ops.zeros_like(x) + 0.001),
        lambda x: np.where(x > 0, x, 0.001),
    ),
    "maximum with 0.001": of_one(
        lambda ops, x: ops.maximum(x, 0.001), lambda x: np.maximum(x, 0.001), never(Kind.RELU)
    ),
    "other side": of_one(
        lambda ops, x: ops.where(x > 0, ops.zeros_like(x), x),
        lambda x: np.minimum(x, 0),
        never(Kind.RELU, Kind.RELU6),
    ),
    "a gate is no relu6": of_one(
        lambda ops, x: ops.relu6(x + 3) / 6, gate6, never(Kind.RELU6, Kind.RELU)
    ),
    "a clipped gate is no relu6": of_one(
        lambda ops, x: ops.minimum(ops.maximum(x + 3, 0.0), 6.0) / 6,
        gate6,
        never(Kind.RELU6, Kind.RELU),
    ),
    "relu6 of x + 2": of_one(
        lambda ops, x: ops.relu6(x + 2) / 4,
        lambda x: np.clip(x + 2, 0, 6) / 4,
        never(Kind.HARD_SIGMOID),
        BARE,
    ),
    "hard swish of another width": of_one(
        lambda ops, x: x * ops.relu6(x + 2.5) / 6,
        lambda x: x * np.clip(x + 2.5, 0, 6) / 6,
        never(Kind.HARD_SWISH),
        BARE,
    ),
    "silu of slope 1.1": of_one(
        lambda ops, x: x * ops.sigmoid(1.1 * x), lambda x: x * logistic(1.1 * x)
    ),
    "silu moved": of_one(
        lambda ops, x: x * ops.sigmoid(x + 0.01), lambda x: x * logistic(x + 0.01)
    ),
    "gelu of 1.6 x": of_one(
        lambda ops, x: x * ops.sigmoid(1.6 * x), lambda x: x * logistic(1.6 * x)
    ),
    "gelu without root": of_one(
        lambda ops, x: 0.5 * x * (1 + ops.erf(x)), lambda x: x * (1 + erf(x)) / 2
    ),
    "tanh gelu of another cube": of_one(
        lambda ops, x: 0.5 * x * (1 + ops.tanh(ROOT * (x + 0.04 * x**3))),
        lambda x: x * (1 + np.tanh(ROOT * (x + 0.04 * x**3))) / 2,
    ),
    "mish without softplus": of_one(
        lambda ops, x: x * ops.tanh(ops.exp(x)), lambda x: x * np.tanh(np.exp(x))
    ),
    "tanh + 0.001": of_one(
        # The tanh in it is one, with a shift behind it.
        lambda ops, x: ops.tanh(x) + 1e-3, lambda x: np.tanh(x) + 1e-3, RECTIFIERS,
    ),
    "softplus of log(1.01 + exp)": of_one(
        lambda ops, x: ops.log(1.01 + ops.exp(x)),
        lambda x: np.log(1.01 + np.exp(x)),
        RECTIFIERS | {Kind.LOG_SIGMOID},
    ),
    "sigmoid of 1.01 + exp": of_one(
        lambda ops, x: 1 / (1.01 + ops.exp(-x)),
        lambda x: 1 / (1.01 + np.exp(-x)),
        RECTIFIERS | {Kind.SIGMOID},
    ),
    "elu that jumps": of_one(
        lambda ops, x: ops.where(x > 0, x, ops.exp(x) - 1.01),
        lambda x: np.where(x > 0, x, np.exp(np.minimum(x, 0)) - 1.01),
    ),
    "elu of exp(x) - 1 everywhere": of_one(
        lambda ops, x: ops.expm1(x), np.expm1, RECTIFIERS
    ),
}  # fmt: skip


# Of rows

FLOOR = np.array([0.0, 0.0, 0.5, 0.0, 0.0, 0.0, -0.5, 0.0])
NEAR = 0.3 * normal(8, 8, seed=21)


def mean(x: Traced) -> Traced:
    return functions.mean(x, axis=-1, keepdims=True)


def sum_of(x: Traced) -> Traced:
    return functions.sum(x, axis=-1, keepdims=True)


def root(x: Traced) -> Traced:
    return functions.sqrt(x)


def size(ops: Any, x: Any) -> Any:
    return ops.sqrt(ops.mean(x * x) + EPSILON)


NORMALIZATION = frozenset({Kind.NORMALIZATION})
SOFTMAX = frozenset({Kind.SOFTMAX})

OF_ROWS: Mapping[str, NearMiss] = {
    "false root mean square": NearMiss(
        lambda ops, x: x / ops.sqrt(ops.mean(x * (x @ ops.array(NEAR))) + 40.0),
        NORMALIZATION,
        lambda x: x / root(mean(x * tape.dense(x, NEAR)) + 40.0),
    ),
    "size of another value": NearMiss(
        lambda ops, x: x[:, :4] / size(ops, x[:, 4:]),
        NORMALIZATION,
        lambda x: x[:, :4] / root(mean(x[:, 4:] * x[:, 4:]) + EPSILON),
    ),
    "mean of another value": NearMiss(
        lambda ops, x: (x[:, :4] - ops.mean(x[:, 4:])) / ops.sqrt(ops.var(x[:, :4]) + EPSILON),
        NORMALIZATION,
        lambda x: (
            (x[:, :4] - mean(x[:, 4:]))
            / root(mean((x[:, :4] - mean(x[:, :4])) * (x[:, :4] - mean(x[:, :4]))) + EPSILON)
        ),
    ),
    "product with the size": NearMiss(
        lambda ops, x: (x - ops.mean(x)) * size(ops, x),
        NORMALIZATION,
        lambda x: (x - mean(x)) * root(mean(x * x) + EPSILON),
    ),
    "uncentred product": NearMiss(
        lambda ops, x: x * size(ops, x), NORMALIZATION, lambda x: x * root(mean(x * x) + EPSILON)
    ),
    "divided by the mean square": NearMiss(
        lambda ops, x: x / (ops.mean(x * x) + EPSILON),
        NORMALIZATION,
        lambda x: x / (mean(x * x) + EPSILON),
    ),
    "divided by the root of the mean": NearMiss(
        lambda ops, x: x / ops.sqrt(ops.mean(ops.abs(x)) + EPSILON),
        NORMALIZATION,
        lambda x: x / root(mean(functions.abs(x)) + EPSILON),
    ),
    "divided by the root of a mean of exp": NearMiss(
        lambda ops, x: x / ops.sqrt(ops.mean(ops.exp(x)) + 1),
        NORMALIZATION,
        lambda x: x / root(mean(tape.exp(x)) + 1.0),
    ),
    "variance along another axis": NearMiss(
        lambda ops, x: ops.reshape(
            crossed(ops, ops.reshape(x, (-1, 2, 4))), (-1, 8)
        ),
        NORMALIZATION,
        lambda x: functions.reshape(traced_crossed(functions.reshape(x, (-1, 2, 4))), (-1, 8)),
    ),
    "shares of exp that sum to less": NearMiss(
        lambda ops, x: ops.exp(x) / (1 + ops.sum(ops.exp(x))),
        SOFTMAX,
        lambda x: tape.exp(x) / (sum_of(tape.exp(x)) + 1.0),
    ),
    "shares of squares": NearMiss(
        lambda ops, x: ops.square(x) / ops.sum(ops.square(x)),
        SOFTMAX | NORMALIZATION,
        lambda x: (x * x) / sum_of(x * x),
    ),
    "shares of other exponents": NearMiss(
        lambda ops, x: ops.exp(x) / ops.sum(ops.exp(0.5 * x)),
        SOFTMAX,
        lambda x: tape.exp(x) / sum_of(tape.exp(x * 0.5)),
    ),
    "maximum with another value": NearMiss(
        lambda ops, x: ops.maximum(x[:, :4], x[:, 4:]),
        RECTIFIERS,
        lambda x: functions.maximum(x[:, :4], x[:, 4:]),
    ),
    "maximum with an array": NearMiss(
        lambda ops, x: ops.maximum(x, ops.array(FLOOR)),
        RECTIFIERS,
        lambda x: functions.maximum(x, strict.asarray(FLOOR)),
        ("guided_backprop", "deep_lift"),
    ),
    "gate of another value": NearMiss(
        lambda ops, x: x[:, :4] * ops.sigmoid(x[:, 4:]),
        RECTIFIERS,
        lambda x: x[:, :4] * tape.sigmoid(x[:, 4:]),
    ),
}  # fmt: skip


def crossed(ops: Any, x: Any) -> Any:
    """The mean is along axis 2, the variance along axis 1."""
    centred = x - ops.mean(x)
    return centred / ops.sqrt(ops.mean(ops.square(x - ops.mean(x, 1)), 1) + EPSILON)


def traced_crossed(x: Traced) -> Traced:
    around = x - functions.mean(x, axis=1, keepdims=True)
    variance = functions.mean(around * around, axis=1, keepdims=True)
    return (x - mean(x)) / root(variance + EPSILON)
