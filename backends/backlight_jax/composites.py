"""Softmax and its kin, found in the equations that spell them."""

from collections.abc import Iterator
from typing import Any

from jax.extend.core import Literal

from backlight.operations import Kind
from backlight_jax.flow import Flow
from backlight_jax.program import Node, Operand
from backlight_jax.structure import same
from backlight_jax.units import Unit

INVISIBLE = {"abs", "sign"}
"""What logsumexp does in vain to a sum of exponentials."""


def softmaxes(flow: Flow) -> Iterator[Unit]:
    """Every softmax, log-softmax and logsumexp; those that overlap are all given, the widest first."""
    for position in sorted(flow.needed, reverse=True):
        node = flow.nodes[position]
        if node.primitive == "div" and len(flow.activity(node)) == 2:
            found = softmax(flow, position)
        elif node.primitive == "sub" and len(flow.activity(node)) == 2:
            found = log_softmax(flow, position)
        elif node.primitive in ("log", "add") and flow.activity(node):
            found = logsumexp(flow, position)
        else:
            continue
        if found is not None:
            yield found


def softmax(flow: Flow, position: int) -> Unit | None:
    """e / sum e, e = exp(x - what is the same along the axes)."""
    node = flow.nodes[position]
    above, below = node.inputs
    total = summed_exponential(flow, below)
    if total is None or not same(flow.producer, total.inputs[0], above):
        return None
    exponential = flow.producer(above)
    assert exponential is not None
    axes = tuple(total.params["axes"])
    return unit(flow, Kind.SOFTMAX, position, exponential.inputs[0], axes)


def log_softmax(flow: Flow, position: int) -> Unit | None:
    """z - log sum exp z, or x - (log sum exp (x - m) + m)."""
    node = flow.nodes[position]
    z, rest = node.inputs
    found = logarithm(flow, rest)
    if found is None:
        return None
    inside, axes, shift = found
    x, peeled = peel(flow, z, axes)
    y, other = peel(flow, inside, axes)
    if shift is None:
        if not same(flow.producer, inside, z):
            return None
    elif (
        other is None
        or not same(flow.producer, z, y)
        or not same(flow.producer, behind(flow, shift), other)
    ):
        return None
    else:
        x, peeled = y, other
    if peeled is None:
        x = z
    return unit(flow, Kind.LOG_SOFTMAX, position, z if shift is None else x, axes)


def logsumexp(flow: Flow, position: int) -> Unit | None:
    """log sum exp x, or log sum exp (x - m) + m."""
    found = logarithm(flow, flow.nodes[position].outputs[0])
    if found is None:
        return None
    inside, axes, shift = found
    if shift is None:
        return unit(flow, Kind.LOGSUMEXP, position, inside, axes, peeling=False)
    x, other = peel(flow, inside, axes)
    if other is None or not same(flow.producer, behind(flow, shift), other):
        return None
    return unit(flow, Kind.LOGSUMEXP, position, x, axes, peeling=False)


def logarithm(
    flow: Flow, operand: Operand
) -> tuple[Operand, tuple[int, ...], Operand | None] | None:
    """(z, axes, m) of log sum_axes exp z (+ m)."""
    node = flow.producer(behind(flow, operand))
    shift: Operand | None = None
    if node is not None and node.primitive == "add":
        logs = [each for each in node.inputs if primitive(flow, behind(flow, each)) == "log"]
        others = [each for each in node.inputs if each not in logs]
        if len(logs) != 1 or len(others) != 1:
            return None
        node, shift = flow.producer(behind(flow, logs[0])), others[0]
    if node is None or node.primitive != "log":
        return None
    total = summed_exponential(flow, node.inputs[0])
    if total is None:
        return None
    exponential = flow.producer(total.inputs[0])
    assert exponential is not None
    return exponential.inputs[0], tuple(total.params["axes"]), shift


def summed_exponential(flow: Flow, operand: Operand) -> Node | None:
    """The sum of exponentials that an operand is."""
    node = flow.producer(behind(flow, operand))
    while node is not None and node.primitive in INVISIBLE:
        node = flow.producer(behind(flow, node.inputs[0]))
    if node is None or node.primitive != "reduce_sum":
        return None
    return node if primitive(flow, node.inputs[0]) == "exp" else None


def peel(flow: Flow, operand: Operand, axes: tuple[int, ...]) -> tuple[Operand, Operand | None]:
    """x and m of x - m, m the same along the axes."""
    node = flow.producer(operand)
    if node is None or node.primitive != "sub":
        return operand, None
    x, other = node.inputs
    if isinstance(other, Literal):
        return x, other
    shape = flow.shape(other)
    layout = flow.producer(other)
    if layout is not None and layout.primitive == "stop_gradient":
        layout = flow.producer(layout.inputs[0])
    if shape and any(shape[axis] != 1 for axis in axes):
        if layout is None or layout.primitive != "broadcast_in_dim":
            return operand, None
        before = flow.shape(layout.values[0]) if layout.values else ()
        placed = dict(zip(layout.params["broadcast_dimensions"], before, strict=True))
        if any(placed.get(axis, 1) != 1 for axis in axes):
            return operand, None
    return x, behind(flow, other)


def unit(
    flow: Flow,
    kind: Kind,
    position: int,
    entry: Operand,
    axes: tuple[int, ...],
    peeling: bool = True,
) -> Unit | None:
    """The equations between; from before the shift, if that is only for this."""
    candidates: list[Operand] = [entry]
    if peeling:
        x, shift = peel(flow, entry, axes)
        if shift is not None:
            candidates.insert(0, x)
    sink = flow.nodes[position].outputs[0]
    for x in candidates:
        if isinstance(x, int) and x in flow.active:
            positions = flow.region(x, sink)
            if positions:
                return assembled(flow, kind, positions, x, sink, axes=axes)
            stops = apart(flow, entry, x)
            positions = flow.region(x, sink, stops)
            if stops and positions:
                return assembled(flow, kind, positions, x, sink, axes=axes)
    return None


def apart(flow: Flow, entry: Operand, x: Operand) -> list[int]:
    """The shift in x - m, where it is computed for others too: the softmax does not depend on it."""
    node = flow.producer(entry)
    if node is None or node.primitive != "sub" or node.inputs[0] != x:
        return []
    return [value for value in node.inputs[1:] if isinstance(value, int)]


def assembled(
    flow: Flow, kind: Kind, positions: list[int], entry: int, sink: int, **rest: Any
) -> Unit:
    nodes = tuple(flow.nodes[position] for position in positions)
    return Unit(kind, nodes, (entry,), (entry,), (sink,), tuple(positions), kind.value, **rest)


def behind(flow: Flow, operand: Operand) -> Operand:
    return flow.behind_layout(operand)


def primitive(flow: Flow, operand: Operand) -> str:
    node = flow.producer(operand)
    return "" if node is None else node.primitive
