"""A program as the core's graph of operations."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from math import prod
from typing import Any

import numpy as np
from jax.core import Tracer
from jax.extend.core import ClosedJaxpr, JaxprEqn, Literal

from backlight.graph.graph import FEW, UNIFORM, DType, Graph, Numbers, Value
from backlight.graph.graph import Node as GraphNode
from backlight.graph.primitives import evaluated
from backlight_jax.capture.program import Node, Operand, Program, body_of, called, flatten
from backlight_jax.derivatives.zeros import kept_derivatives
from backlight_jax.expansions import inside, repeatable, scan_counts
from backlight_jax.table import RULED, Term, dtype, term


def graph_of(
    program: Program,
    sources: Sequence[int],
    targets: Sequence[Operand],
    *,
    learned: Collection[int] = (),
    rows: Collection[int] = (),
    kept: Sequence[Operand] = (),
    place: Callable[[Node], str] | None = None,
    derivatives: bool = False,
) -> Graph:
    """The operations of a program. Its values keep their numbers; scalars get new ones behind them.

    Args:
        program: the equations, each of which is the `native` of its node.
        sources, targets: what is explained, and of what.
        learned: arguments that are no values of examples. So is what the function closes over.
        rows: values that differ from example to example beside the sources.
        kept: other values that are looked at.
        place: where in the net an equation is.
        derivatives: whether loops are looked into, and functions with a derivative of their own for
            whether it is zero, which takes time.
    """
    graph = Graph(sources=tuple(sources), rows=frozenset(rows) - set(sources))
    for aval in program.avals:
        graph.value(aval.shape, dtype(aval.dtype), bits=bits(aval))
    for value in learned:
        graph.values[value].learned = True
    for value, constant in program.constants.items():
        held = graph.values[value]
        held.learned = True
        if isinstance(constant, Tracer):  # it has no numbers yet, as a learned argument has none
            continue
        held.constant = constant
        if held.dtype is not DType.OTHER and constant.size <= UNIFORM:
            graph.look(value, numbers(constant))
    known: dict[int, Numbers] = {}
    for node in program.nodes:
        add(graph, node, "" if place is None else place(node), derivatives, known)
    graph.targets = tuple(number_of(graph, operand) for operand in targets)
    graph.kept = frozenset(operand for operand in kept if isinstance(operand, int))
    return graph


def add(graph: Graph, node: Node, place: str, derivatives: bool, known: dict[int, Numbers]) -> None:
    """Put an equation's node behind the others, and before it what makes its operands fit.

    Args:
        graph, node, place, derivatives: see `graph_of`.
        known: the few whole numbers that are computed of others, as a loop counts. Those that this
            equation gives are put beside them.
    """
    equation = node.equation
    found = term(with_numbers(node, known))
    if node.primitive in RULED:
        attributes: dict[str, Any] = {"body": whole(body_of(equation), derivatives)}
        found = Term("call", attributes)
        if derivatives:
            attributes["derivatives"] = kept_derivatives(node)
            rule = node.primitive.removesuffix("_call")
            found = Term("call", attributes, type=f"{called(equation) or 'a function'} ({rule})")
    elif found.primitive == "loop" and derivatives:
        found = Term("loop", looked_into(equation))
    order = range(len(node.inputs)) if found.order is None else found.order
    operands = [number_of(graph, node.inputs[at]) for at in order]
    for at, shape in found.reshaped.items():
        held = graph.values[operands[at]]
        before, operands[at] = operands[at], graph.value(shape, held.dtype, bits=held.bits)
        graph.node("reshape", (before,), (operands[at],), {"shape": shape})
    operands += map(graph.number, found.numbers)
    made = graph.node(
        found.primitive,
        operands,
        node.outputs,
        found.attributes,
        type=found.type or called(equation) or node.primitive,
        place=place,
        native=node,
        replayable=repeatable(equation),
    )
    results = [graph.values[value] for value in node.outputs]
    if all(not one.dtype.differentiable and prod(one.shape) <= FEW for one in results):
        read = (known.get(value, as_written(graph.values[value])) for value in operands)
        given = [one for one in read if one is not None]
        found_numbers = evaluated(made, given) if len(given) == len(operands) else None
        known.update(zip(node.outputs, found_numbers or (), strict=False))


def with_numbers(node: Node, known: Mapping[int, Numbers]) -> Any:
    """The equation, with the whole numbers that are known written in it."""
    make: Any = Literal

    def atom(operand: Operand, read: Any) -> Any:
        if isinstance(operand, Literal):
            return operand
        return make(known[operand], read.aval) if operand in known else read

    each = zip(node.inputs, node.equation.invars, strict=True)
    return node.equation.replace(invars=[atom(*one) for one in each])


def as_written(value: Value) -> Numbers | None:
    """The number that is written in the code."""
    return None if value.number is None or value.shape else np.asarray(value.number)


def looked_into(equation: JaxprEqn) -> Mapping[str, Any]:
    """The form of a loop, or of a choice, with its bodies."""
    params = equation.params
    match str(equation.primitive.name):
        case "scan":
            constants, carried = scan_counts(equation)
            body = whole(params["jaxpr"], True)
            return {"form": "scan", "body": body, "constants": constants, "carried": carried}
        case "while":
            test, body = (whole(params[name], True) for name in ("cond_jaxpr", "body_jaxpr"))
            held = params["cond_nconsts"], params["body_nconsts"]
            return {"form": "while", "test": test, "body": body, "constants": held}
        case _:
            branches = tuple(whole(branch, True) for branch in params["branches"])
            return {"form": "cond", "branches": branches}


def equations(nodes: Iterable[GraphNode]) -> list[Node]:
    """The equations of a graph's nodes; what only makes operands fit has none."""
    return [node.native for node in nodes if isinstance(node.native, Node)]


def number_of(graph: Graph, operand: Operand) -> int:
    """The number of an operand in the graph, also of what is written in the code."""
    if not isinstance(operand, Literal):
        return operand
    array, aval = numbers(operand.val), operand.aval
    if array.ndim:
        return graph.array(array, bits=bits(aval))
    return graph.number(array.item(), dtype(aval.dtype))  # type: ignore[attr-defined]


def numbers(array: Any) -> np.ndarray[Any, Any]:
    """An array with a dtype of NumPy's own."""
    held = np.asarray(array)
    return held.astype(np.float64) if held.dtype.kind == "V" else held


def bits(aval: Any) -> int:
    return 8 * int(getattr(aval.dtype, "itemsize", 0))


def whole(closed: ClosedJaxpr | None, derivatives: bool = False) -> Graph:
    """A function that a net calls, by itself: from its arguments to its results."""
    assert closed is not None
    program = flatten(closed, inside)
    return graph_of(program, program.inputs, program.outputs, derivatives=derivatives)
