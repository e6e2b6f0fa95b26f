"""Activations known by what they do: a function's values at a grid of probes, against a table."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from backlight.operations import Kind
from backlight_jax.pointwise import erf, logistic

Numbers = NDArray[Any]

FAR = 1e4
"""Far enough out that a function which is cut off anywhere usual is cut off there."""

PROBES: Numbers = np.concatenate(
    [
        np.linspace(-7, 7, 57) + 0.0137,
        [side * x for x in (11.3, 37.7, 103.0, FAR) for side in (-1, 1)],
    ]
)


@final
@dataclass(frozen=True)
class Activation:
    """A known function.

    Attributes:
        kind: which.
        constant: where it is cut off (relu6), or its slope below 0 (leaky relu).
    """

    kind: Kind
    constant: float = 0.0


def softplus(x: Numbers) -> Numbers:
    return np.logaddexp(x, 0)


def elu(x: Numbers, scale: float, width: float = 1.0) -> Numbers:
    return np.where(x > 0, x, scale * np.expm1(np.minimum(x, 0) / width))


SELU = 1.0507009873554805, 1.6732632423543772

FIXED: dict[Kind, tuple[Callable[[Numbers], Numbers], ...]] = {
    Kind.RELU: (lambda x: np.maximum(x, 0),),
    Kind.ABS: (np.abs,),
    Kind.SILU: (lambda x: x * logistic(x),),
    Kind.GELU: (
        lambda x: x * (1 + erf(x / math.sqrt(2))) / 2,
        lambda x: x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))) / 2,
        lambda x: x * logistic(1.702 * x),
    ),
    Kind.MISH: (lambda x: x * np.tanh(softplus(x)),),
    Kind.HARD_SWISH: (lambda x: x * np.clip(x + 3, 0, 6) / 6,),
    Kind.HARD_SIGMOID: (lambda x: np.clip(x + 3, 0, 6) / 6,),
    Kind.SIGMOID: (logistic,),
    Kind.TANH: (np.tanh,),
    Kind.SOFTPLUS: (softplus,),
    Kind.SOFTSIGN: (lambda x: x / (1 + np.abs(x)),),
    Kind.LOG_SIGMOID: (lambda x: -softplus(-x),),
    Kind.ERF: (erf,),
    Kind.EXP: (np.exp,),
    Kind.SELU: (lambda x: SELU[0] * elu(x, SELU[1]),),
}


def fitted(low: float, high: float) -> Iterator[tuple[Activation, Callable[[Numbers], Numbers]]]:
    """Families with a constant, which the values far out tell."""
    if 0 < high < FAR / 2:
        yield Activation(Kind.RELU6, high), lambda x: np.clip(x, 0, high)
        if -FAR / 2 < low < 0:
            yield Activation(Kind.HARD_TANH), lambda x: np.clip(x, low, high)
    slope = -low / FAR
    if slope and abs(slope - 1) > 1e-2:  # x plus a small constant is no rectifier
        yield Activation(Kind.LEAKY_RELU, slope), lambda x: np.where(x > 0, x, slope * x)
    if -FAR / 2 < low < 0:
        yield Activation(Kind.ELU), lambda x: elu(x, -low)
        yield Activation(Kind.CELU), lambda x: elu(x, -low, -low)


def recognised(function: Callable[[Numbers], Numbers], coarse: bool) -> Activation | None:
    """The activation that a function is.

    Args:
        function: of an array of probes.
        coarse: whether its constants have the few digits of a 16-bit dtype.
    """
    with np.errstate(all="ignore"):
        found = np.broadcast_to(function(PROBES), PROBES.shape)
        usable = np.isfinite(found)
        if usable.sum() < len(PROBES) - 6 or found.dtype.kind != "f":
            return None
        relative, absolute = (2e-2, 2e-3) if coarse else (1e-6, 1e-8)

        def fits(known: Callable[[Numbers], Numbers]) -> bool:
            return bool(np.allclose(found[usable], known(PROBES[usable]), relative, absolute))

        for kind, functions in FIXED.items():
            if any(map(fits, functions)):
                return Activation(kind)
        low, high = (float(found[end == PROBES][0]) for end in (-FAR, FAR))
        return next((one for one, known in fitted(low, high) if fits(known)), None)


def is_prelu(function: Callable[[Numbers, float], Numbers]) -> bool:
    """Whether a function of probes and a constant is a rectifier with that slope below 0."""
    with np.errstate(all="ignore"):
        return any(
            all(
                np.allclose(
                    function(PROBES, sign * one), np.where(PROBES > 0, PROBES, one * PROBES)
                )
                for one in (0.3, -0.7)
            )
            for sign in (1, -1)  # the constant may have been negated before
        )
