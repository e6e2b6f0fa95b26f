"""A program as the core's graph of operations."""

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
from jax.extend.core import ClosedJaxpr, Literal

from backlight.graph.graph import UNIFORM, Graph, uniform
from backlight_jax.opening import inside, repeatable
from backlight_jax.program import Flattener, Node, Operand, Program, body_of, called
from backlight_jax.table import RULED, Term, dtype, term


def graph_of(
    program: Program,
    sources: Sequence[int],
    targets: Sequence[Operand],
    *,
    learned: Collection[int] = (),
    rows: Collection[int] = (),
    kept: Sequence[Operand] = (),
) -> Graph:
    """The operations of a program. Its values keep their numbers; scalars get new ones behind them.

    Args:
        program: the equations, each of which is the `native` of its node.
        sources, targets: what is explained, and of what.
        learned: arguments that are no values of examples. So is what the function closes over.
        rows: values that differ from example to example beside the sources.
        kept: other values that are looked at.
    """
    graph = Graph(sources=tuple(sources), rows=frozenset(rows) - set(sources))
    for aval in program.avals:
        known = getattr(aval.dtype, "itemsize", 0)
        graph.value(aval.shape, dtype(aval.dtype), bits=8 * known)
    for value in learned:
        graph.values[value].learned = True
    for value, constant in program.constants.items():
        held = graph.values[value]
        held.constant, held.learned = constant, True
        if constant.size <= UNIFORM and held.dtype.value != "other":
            held.number = uniform(numbers(constant))
    for node in program.nodes:
        add(graph, node)
    graph.targets = tuple(number_of(graph, operand) for operand in targets)
    graph.kept = frozenset(operand for operand in kept if isinstance(operand, int))
    return graph


def add(graph: Graph, node: Node) -> None:
    """Put an equation's node behind the others, and before it what makes its operands fit."""
    equation = node.equation
    found = Term("call", {"body": body(equation)}) if node.primitive in RULED else term(equation)
    order = range(len(node.inputs)) if found.order is None else found.order
    operands = [number_of(graph, node.inputs[at]) for at in order]
    for at, shape in found.reshaped.items():
        held = graph.values[operands[at]]
        before, operands[at] = operands[at], graph.value(shape, held.dtype, bits=held.bits)
        graph.node("reshape", (before,), (operands[at],), {"shape": shape})
    operands += map(graph.number, found.numbers)
    graph.node(
        found.primitive,
        operands,
        node.outputs,
        found.attributes,
        type=called(equation) or node.primitive,
        native=node,
        replayable=repeatable(equation),
    )


def number_of(graph: Graph, operand: Operand) -> int:
    """The number of an operand in the graph, also of what is written in the code."""
    if not isinstance(operand, Literal):
        return operand
    array = numbers(operand.val)
    bits = 8 * getattr(operand.aval.dtype, "itemsize", 0)  # type: ignore[attr-defined]
    if array.ndim:
        return graph.array(array, bits=bits)
    return graph.number(array.item(), dtype(operand.aval.dtype))  # type: ignore[attr-defined]


def numbers(array: Any) -> np.ndarray[Any, Any]:
    """An array with a dtype of NumPy's own."""
    held = np.asarray(array)
    return held.astype(np.float64) if held.dtype.kind == "V" else held


def body(equation: Any) -> Graph:
    """What a call computes that is kept whole for its derivative."""
    closed = body_of(equation)
    assert closed is not None
    program, _ = opened(closed)
    return graph_of(program, program.inputs, program.outputs)


def opened(closed: ClosedJaxpr) -> tuple[Program, Flattener]:
    """The program of a function, and what puts more equations behind it."""
    program = Program()
    program.inputs = [program.fresh(variable.aval) for variable in closed.jaxpr.invars]
    flattener = Flattener(program, inside)
    program.outputs = list(flattener.body(closed.jaxpr, closed.consts, program.inputs, (), ()))
    return program, flattener
