"""Functions of each number by itself, evaluated with NumPy on a grid of probes."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from jax.extend.core import Jaxpr, JaxprEqn, Literal
from numpy.typing import NDArray

from backlight_jax.program import INLINED, OPENABLE, body_of

Numbers = NDArray[Any]

erf = np.vectorize(math.erf, otypes=[float])
erfc = np.vectorize(math.erfc, otypes=[float])


def logistic(x: Numbers) -> Numbers:
    return 1 / (1 + np.exp(-x))


def select(which: Numbers, *cases: Numbers) -> Numbers:
    return np.choose(np.asarray(which, dtype=int), np.broadcast_arrays(*cases))


PRIMITIVES: Mapping[str, Callable[..., Any]] = {
    "abs": np.abs,
    "acos": np.arccos,
    "acosh": np.arccosh,
    "add": np.add,
    "add_any": np.add,
    "and": np.logical_and,
    "asin": np.arcsin,
    "asinh": np.arcsinh,
    "atan": np.arctan,
    "atanh": np.arctanh,
    "cbrt": np.cbrt,
    "ceil": np.ceil,
    "clamp": lambda low, x, high: np.minimum(np.maximum(x, low), high),
    "copy": np.asarray,
    "copy_p": np.asarray,
    "cos": np.cos,
    "cosh": np.cosh,
    "div": np.divide,
    "eq": np.equal,
    "erf": erf,
    "erfc": erfc,
    "exp": np.exp,
    "exp2": np.exp2,
    "expm1": np.expm1,
    "floor": np.floor,
    "ge": np.greater_equal,
    "gt": np.greater,
    "is_finite": np.isfinite,
    "le": np.less_equal,
    "log": np.log,
    "log1p": np.log1p,
    "logistic": logistic,
    "lt": np.less,
    "max": np.maximum,
    "min": np.minimum,
    "mul": np.multiply,
    "name": np.asarray,
    "ne": np.not_equal,
    "neg": np.negative,
    "not": np.logical_not,
    "or": np.logical_or,
    "pow": np.power,
    "reduce_precision": np.asarray,
    "round": np.round,
    "rsqrt": lambda x: 1 / np.sqrt(x),
    "select_n": select,
    "sign": np.sign,
    "sin": np.sin,
    "sinh": np.sinh,
    "sqrt": np.sqrt,
    "square": np.square,
    "sub": np.subtract,
    "tan": np.tan,
    "tanh": np.tanh,
    "xor": np.logical_xor,
}
"""What primitives do with each number, their parameters aside."""

UNARY = {
    "acos", "acosh", "asin", "asinh", "atan", "atanh", "cbrt", "ceil", "cos", "cosh", "digamma",
    "erf_inv", "erfc", "exp2", "expm1", "floor", "lgamma", "log1p", "round", "sign", "sin", "sinh",
    "tan", "bessel_i0e", "bessel_i1e",
}  # fmt: skip
"""Functions of each number by itself that have no kind of their own."""

CALLS = INLINED | OPENABLE | {"custom_vjp_call", "custom_vjp_call_jaxpr"}
"""Calls whose value is their body's."""


def is_pointwise(equation: JaxprEqn) -> bool:
    """Whether it computes each number from those at the same place."""
    name = str(equation.primitive.name)
    if name in CALLS:
        body = body_of(equation)
        return (
            body is not None
            and len(body.jaxpr.outvars) == 1
            and not body.consts
            and all(map(is_inside, body.jaxpr.eqns))
        )
    return name in PRIMITIVES or name in ("integer_pow", "convert_element_type")


def is_inside(equation: JaxprEqn) -> bool:
    """As `is_pointwise`, for the body of a call, where a constant may be made."""
    made = str(equation.primitive.name) == "broadcast_in_dim" and not getattr(
        equation.invars[0].aval, "shape", ()
    )
    return made or is_pointwise(equation)


def evaluated(equation: JaxprEqn, operands: Sequence[Numbers]) -> Numbers:
    """The result of a pointwise equation, for operands that broadcast."""
    name = str(equation.primitive.name)
    if name in CALLS:
        body = body_of(equation)
        assert body is not None
        return body_value(body.jaxpr, operands)
    if name == "broadcast_in_dim":
        return operands[0]
    if name == "integer_pow":
        power = int(equation.params["y"])
        return np.asarray(operands[0], dtype=float) ** power
    if name == "convert_element_type":
        return converted(operands[0], np.dtype(equation.params["new_dtype"]))
    return np.asarray(PRIMITIVES[name](*operands))


def body_value(jaxpr: Jaxpr, operands: Sequence[Numbers]) -> Numbers:
    values: dict[Any, Numbers] = dict(zip(jaxpr.invars, operands, strict=True))

    def read(atom: Any) -> Numbers:
        return number(atom) if isinstance(atom, Literal) else values[atom]

    for equation in jaxpr.eqns:
        (variable,) = equation.outvars
        values[variable] = evaluated(equation, [read(atom) for atom in equation.invars])
    return read(jaxpr.outvars[0])


def converted(x: Numbers, dtype: Any) -> Numbers:
    if dtype.kind == "b":
        return np.asarray(x != 0)
    if dtype.kind in "iu":
        return np.trunc(x)
    return np.asarray(x, dtype=float)


def number(literal: Literal) -> Numbers:
    """A constant scalar; floating-point numbers of any width as float64."""
    value = np.asarray(literal.val)
    return value if value.dtype.kind in "biu" else value.astype(float)
