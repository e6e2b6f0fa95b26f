"""Derivatives that are zero by construction: those of functions whose own rule gives zeros."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import ClosedJaxpr, Literal

from backlight_jax.circuit import is_floating
from backlight_jax.opening import abstract
from backlight_jax.primitives import INDEXED, MOVEMENTS, SUMS
from backlight_jax.program import Node, body_of, run

PRODUCTS = {"conv_general_dilated", "dot_general", "mul"}
"""Zero where any operand is."""

KEEPING = MOVEMENTS | SUMS | {
    "abs", "add", "add_any", "max", "min", "neg", "reduce_max", "reduce_min", "sign",
    "stop_gradient", "sub",
}  # fmt: skip
"""Zero where all operands are."""


def ruled_out(node: Node) -> list[frozenset[int]]:
    """For each result of a call with a derivative of its own, the operands that it gives zeros for."""
    equation = node.equation
    moved = [at for at, atom in enumerate(equation.invars) if is_floating(atom.aval)]
    read = [at for at, variable in enumerate(equation.outvars) if is_floating(variable.aval)]

    def pulled(operands: Sequence[Any], cotangents: Sequence[Any]) -> Any:
        def results(floating: Sequence[Any]) -> list[Any]:
            given = list(operands)
            for at, operand in zip(moved, floating, strict=True):
                given[at] = operand
            values = dict(enumerate(given))
            renamed = Node(
                node.path, equation, tuple(values), tuple(range(-len(node.outputs), 0)), node.scope
            )
            run([renamed], values)
            return [values[renamed.outputs[at]] for at in read]

        _, pullback = jax.vjp(results, [operands[at] for at in moved])
        return pullback(list(cotangents))

    backward = jax.make_jaxpr(pulled)(
        [abstract(atom.aval) for atom in equation.invars],
        [abstract(equation.outvars[at].aval) for at in read],
    )
    everything = frozenset(range(len(equation.invars)))
    found = []
    for result in range(len(equation.outvars)):
        given = [False] * len(equation.invars) + [at != result for at in read]
        gone = zeros(backward, given) if result in read else [True] * len(moved)
        kept = {at for at, is_zero in zip(moved, gone, strict=True) if not is_zero}
        found.append(everything - kept)
    return found


def zeros(closed: ClosedJaxpr, given: Sequence[bool]) -> list[bool]:
    """Which results of a traced function are zero throughout, whatever the arguments that are not."""
    known: dict[Any, bool] = dict(zip(closed.jaxpr.invars, given, strict=True))
    for variable, constant in zip(closed.jaxpr.constvars, closed.consts, strict=True):
        numeric = jnp.issubdtype(constant.dtype, jnp.number)
        known[variable] = bool(numeric and not np.asarray(constant).any())

    def read(atom: Any) -> bool:
        return bool(np.all(atom.val == 0)) if isinstance(atom, Literal) else known[atom]

    for equation in closed.jaxpr.eqns:
        operands = [read(atom) for atom in equation.invars]
        name = str(equation.primitive.name)
        body = body_of(equation)
        if body is not None and name != "scan" and len(body.jaxpr.invars) == len(operands):
            results = zeros(body, operands)
        else:
            is_zero = (
                any(operands)
                if name in PRODUCTS
                else all(operands[1:])
                if name == "select_n"
                else operands[0]
                if name == "div"
                else bool(operands) and name in KEEPING and all(operands[: INDEXED.get(name)])
            )
            results = [is_zero] * len(equation.outvars)
        known.update(zip(equation.outvars, results, strict=True))
    return [read(atom) for atom in closed.jaxpr.outvars]
