"""Quotients, and products with gates."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from backlight.rules.operations import Kind
from tests import tape
from tests.parity.spelling.family import Family, Spelling, unary
from tests.parity.spelling.functions import normal
from tests.tape import Traced

DIVISOR = 0.5 + np.abs(normal(8, seed=8))


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
