"""Functions of each number by itself that have a name, told by what they do to a grid of probes."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import final

import numpy as np

from backlight.graph.graph import Numbers
from backlight.graph.primitives import SELU, elu, gelu, sigmoid, softplus
from backlight.rules.operations import Kind

FAR = 1e4
"""Far enough out that a function which is cut off anywhere usual is cut off there."""

PROBES: Numbers = np.concatenate(
    [
        np.linspace(-7, 7, 57) + 0.0137,
        [side * x for x in (1e-5, 1e-4, 1e-3, 3e-3, 1e-2, 0.1) for side in (-1, 1)],
        [side * x for x in (11.3, 37.7, 103.0, FAR) for side in (-1, 1)],
    ]
)
"""Finely near 0, where kinks are moved to without anybody seeing it, and far out."""

LOST = 8
"""At how many probes, far out, a spelling may overflow."""


@final
@dataclass(frozen=True)
class Function:
    """A function with a name.

    Attributes:
        kind: which.
        constant: where it is cut off (relu6), or its slope below 0 (leaky relu).
    """

    kind: Kind
    constant: float | None = None


Pointwise = Callable[[Numbers], Numbers]

NAMED: dict[Kind, tuple[Pointwise, ...]] = {
    Kind.RELU: (lambda x: np.maximum(x, 0),),
    Kind.ABS: (np.abs,),
    Kind.SILU: (lambda x: x * sigmoid(x),),
    Kind.GELU: (gelu, lambda x: gelu(x, "tanh"), lambda x: gelu(x, "sigmoid")),
    Kind.MISH: (lambda x: x * np.tanh(softplus(x)),),
    Kind.HARD_SWISH: (lambda x: x * np.clip(x + 3, 0, 6) / 6,),
    Kind.HARD_SIGMOID: (lambda x: np.clip(x + 3, 0, 6) / 6,),
    Kind.SIGMOID: (sigmoid,),
    Kind.TANH: (np.tanh,),
    Kind.SOFTPLUS: (softplus,),
    Kind.SOFTSIGN: (lambda x: x / (1 + np.abs(x)),),
    Kind.LOG_SIGMOID: (lambda x: -softplus(-x),),
    Kind.ERF: (np.vectorize(math.erf, otypes=[float]),),
    Kind.EXP: (np.exp,),
    Kind.SELU: (lambda x: elu(x, SELU[1], SELU[0]),),
}
"""The functions without a constant of their own."""


def with_constant(low: float, high: float) -> Iterator[tuple[Function, Pointwise]]:
    """The functions with a constant, which their values far out tell."""
    if 0 < high < FAR / 2:
        yield Function(Kind.RELU6, high), lambda x: np.clip(x, 0, high)
        if -FAR / 2 < low < 0:
            yield Function(Kind.HARD_TANH), lambda x: np.clip(x, low, high)
    slope = -low / FAR
    if slope and abs(slope - 1) > 1e-2:  # x plus a small constant is no rectifier
        yield Function(Kind.LEAKY_RELU, slope), lambda x: np.where(x > 0, x, slope * x)
    if -FAR / 2 < low < 0:
        yield Function(Kind.ELU), lambda x: elu(x, -low)
        yield Function(Kind.CELU), lambda x: elu(x, -low, 1.0, -1 / low)


def named(found: Numbers, coarse: bool = False) -> Function | None:
    """The function that gives these values at the probes.

    Args:
        found: its values at `PROBES`, in this order.
        coarse: whether its constants have the few digits of a 16-bit dtype.
    """
    usable = np.isfinite(found)
    if usable.sum() < len(PROBES) - LOST or found.dtype.kind != "f":
        return None
    relative, absolute = (2e-2, 2e-3) if coarse else (1e-6, 1e-8)
    probes = PROBES[usable]

    def fits(function: Pointwise) -> bool:
        wanted = function(probes)
        return bool(np.allclose(found[usable], wanted, relative, absolute, equal_nan=False))

    with np.errstate(all="ignore"):
        for kind, functions in NAMED.items():
            if any(map(fits, functions)):
                return Function(kind)
        low, high = (float(found[end == PROBES][0]) for end in (-FAR, FAR))
        return next((one for one, function in with_constant(low, high) if fits(function)), None)


def is_prelu(function: Callable[[float], Numbers | None]) -> bool:
    """Whether a function of a slope gives, at the probes, a rectifier with that slope below 0."""

    def fits(sign: float, slope: float) -> bool:
        found = function(sign * slope)
        wanted = np.where(PROBES > 0, PROBES, slope * PROBES)
        return found is not None and found.shape == wanted.shape and np.allclose(found, wanted)

    # The constant may be the slope's negative.
    return any(all(fits(sign, slope) for slope in (0.3, -0.7)) for sign in (1, -1))
