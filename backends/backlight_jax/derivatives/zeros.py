"""Derivatives that are zero by construction: those of functions whose own rule gives zeros."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import ClosedJaxpr, JaxprEqn, Literal

from backlight.graph.primitives import PRIMITIVES, Family
from backlight_jax.capture.program import Node, body_of, run
from backlight_jax.table import abstract, is_floating, term

PRODUCTS = {"conv", "dot", "mul"}
"""Zero where any operand is."""

KEEPING = {"abs", "add", "max", "maximum", "min", "minimum", "neg", "sign", "sub"}
"""Zero where all operands are, as moves and sums are."""

INDEXED = {"gather": 1, "slice": 1, "take": 1, "update": 2}
"""Moves, and how many operands come before those that say where to."""


def kept_derivatives(node: Node) -> tuple[frozenset[int], ...]:
    """For each result of a call with a derivative of its own, the operands that it is not zero for."""
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
    found = []
    for result in range(len(equation.outvars)):
        given = [False] * len(equation.invars) + [at != result for at in read]
        gone = zeros(backward, given) if result in read else [True] * len(moved)
        found.append(frozenset(at for at, zero in zip(moved, gone, strict=True) if not zero))
    return tuple(found)


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
            results = [is_zero(equation, operands)] * len(equation.outvars)
        known.update(zip(equation.outvars, results, strict=True))
    return [read(atom) for atom in closed.jaxpr.outvars]


def is_zero(equation: JaxprEqn, operands: Sequence[bool]) -> bool:
    """Whether the results are, given which operands are."""
    primitive = term(equation).primitive
    if primitive in PRODUCTS:
        return any(operands)
    if primitive == "select":
        return all(operands[1:])
    if primitive == "div":
        return operands[0]
    moves = PRIMITIVES[primitive].family in (Family.MOVE, Family.SUM)
    read = operands[: INDEXED.get(primitive)]
    return bool(read) and (moves or primitive in KEEPING) and all(read)
