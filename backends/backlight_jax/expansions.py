"""Which calls and loops are looked into when operations are recognised."""

from typing import Any

import jax
import numpy as np
from jax import lax
from jax.extend.core import ClosedJaxpr, Jaxpr, JaxprEqn, jaxpr_as_fun

from backlight.graph.primitives import PRIMITIVES, Family
from backlight_jax.capture.program import INLINED, Path, body_of
from backlight_jax.table import RULED, abstract, shape, term

STEPS = 4096
"""How many equations an unrolled loop may have."""


def inside(path: Path, equation: JaxprEqn) -> ClosedJaxpr | None:
    """What to put in the place of an equation; None to keep it.

    Loops are unrolled, and of a conditional all branches are computed. Functions with a derivative of
    their own are kept, so that it is used, unless a library wrote it only for precision around
    operations that matter.
    """
    name = str(equation.primitive.name)
    if name in INLINED or name in ("checkpoint", "remat2"):
        return body_of(equation)
    if name == "custom_jvp_call":
        return None if is_activation(equation) or not is_library(equation) else body_of(equation)
    if name == "scan":
        return unrolled(equation)
    if name == "cond":
        return selected(equation)
    if name == "optimization_barrier" and len(equation.invars) > 1:
        return traced(lambda *held: list(map(lax.optimization_barrier, held)), equation.invars)
    return None


def is_activation(equation: JaxprEqn) -> bool:
    """Whether it is a function of each number of one array."""
    arrays = [atom for atom in equation.invars if shape(atom)]
    body = body_of(equation)
    return len(arrays) == 1 and body is not None and is_pointwise(body.jaxpr)


def is_pointwise(jaxpr: Jaxpr) -> bool:
    def fits(equation: JaxprEqn) -> bool:
        name = str(equation.primitive.name)
        inner = body_of(equation) if name in INLINED | RULED else None
        if inner is not None:
            return is_pointwise(inner.jaxpr)
        primitive = term(equation).primitive
        moves = primitive in ("convert", "identity") or (
            primitive == "broadcast" and not shape(equation.invars[0])
        )
        return moves or PRIMITIVES[primitive].family in (Family.POINTWISE, Family.TEST)

    return len(jaxpr.outvars) == 1 and all(map(fits, jaxpr.eqns))


UNREPEATABLE = ("callback", "infeed", "outfeed")


def repeatable(equation: JaxprEqn) -> bool:
    """Whether an equation can be run again: not where Python is called back."""
    if any(word in str(equation.primitive.name) for word in UNREPEATABLE):
        return False
    for param in equation.params.values():
        for part in param if isinstance(param, (tuple, list)) else (param,):
            jaxpr: Any = getattr(part, "jaxpr", part)
            if not all(map(repeatable, getattr(jaxpr, "eqns", ()))):
                return False
    return True


def is_library(equation: JaxprEqn) -> bool:
    """Whether the function was written in an installed package."""
    body = body_of(equation)
    source = str(getattr(body and body.jaxpr.debug_info, "func_src_info", ""))
    return "site-packages" in source or "dist-packages" in source


def scan_counts(equation: JaxprEqn) -> tuple[int, int]:
    """How many operands of a scan are held, and how many are carried; the others are sequences."""
    params = equation.params
    if "ft_in" in params:  # as of JAX 0.12
        held, carried, _ = params["ft_in"].unpack()
        return len(held), len(carried)
    return params["num_consts"], params["num_carry"]


def unrolled(equation: JaxprEqn) -> ClosedJaxpr | None:
    params = equation.params
    constants, carried = scan_counts(equation)
    length, body = params["length"], params["jaxpr"]
    if length == 0 or length * len(body.jaxpr.eqns) > STEPS or body.jaxpr.effects:
        return None
    step = jaxpr_as_fun(body)

    def loop(*operands: Any) -> list[Any]:
        held, carry = operands[:constants], list(operands[constants : constants + carried])
        sequences = operands[constants + carried :]
        kept: list[list[Any]] = []
        order = range(length)
        for index in reversed(order) if params["reverse"] else order:
            parts = [lax.index_in_dim(each, index, keepdims=False) for each in sequences]
            results = step(*held, *carry, *parts)
            carry = results[:carried]
            kept.append(results[carried:])
        if params["reverse"]:
            kept.reverse()
        stacked = [
            lax.concatenate([lax.expand_dims(part, (0,)) for part in parts], 0)
            for parts in zip(*kept, strict=True)
        ]
        return [*carry, *stacked]

    return traced(loop, equation.invars)


def selected(equation: JaxprEqn) -> ClosedJaxpr | None:
    branches = equation.params["branches"]
    if any(branch.jaxpr.effects for branch in branches):
        return None

    def choice(index: Any, *operands: Any) -> list[Any]:
        which = lax.clamp(np.int32(0), index, np.int32(len(branches) - 1))
        results = [jaxpr_as_fun(branch)(*operands) for branch in branches]
        if len(branches) == 1:
            return list(results[0])
        if len(branches) == 2:
            which = which.astype(bool)
        return [lax.select_n(which, *cases) for cases in zip(*results, strict=True)]

    return traced(choice, equation.invars)


def traced(function: Any, atoms: Any) -> ClosedJaxpr:
    shapes = [abstract(atom.aval) for atom in atoms]
    return jax.make_jaxpr(function)(*shapes)
