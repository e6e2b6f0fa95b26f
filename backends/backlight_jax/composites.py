"""Softmax and its kin, and normalisations, found in the equations that spell them."""

from collections.abc import Collection, Iterator
from typing import Any

from jax.extend.core import Literal

from backlight.operations import Kind
from backlight_jax.flow import Flow
from backlight_jax.program import Node, Operand
from backlight_jax.structure import LAYOUT, described
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
    if total is None or not same(flow, total.inputs[0], above):
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
        if not same(flow, inside, z):
            return None
    elif other is None or not same(flow, z, y) or not same(flow, behind(flow, shift), other):
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
    if other is None or not same(flow, behind(flow, shift), other):
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


def normalizations(flow: Flow) -> Iterator[Unit]:
    """Every x / size(x), with what is x minus its mean, and the constants behind it."""
    for position in sorted(flow.needed):
        node = flow.nodes[position]
        power = node.params.get("y")
        root = node.primitive in ("rsqrt", "sqrt") or power == -0.5
        if node.primitive == "pow":
            exponent = flow.number(node.inputs[1])
            root = exponent is not None and float(exponent) in (0.5, -0.5)
        if root and flow.activity(node) == [0] and measures(flow, node.inputs[0]):
            found = normalization(flow, node.outputs[0])
            if found is not None:
                yield found


def measures(flow: Flow, operand: Operand, most: int = 12) -> bool:
    """Whether a value is computed from a sum by a few equations."""
    pending, seen = [operand], 0
    while pending and seen < most:
        node = flow.producer(pending.pop())
        if node is None or not flow.varies_at(node):
            continue
        if node.primitive == "reduce_sum":
            return True
        seen += 1
        pending.extend(node.inputs)
    return False


def normalization(flow: Flow, size: int) -> Unit | None:
    position = applied(flow, size)
    if position is None:
        return None
    node = flow.nodes[position]
    sink, last = node.outputs[0], position
    entry = flow.common(node.inputs)
    positions = None
    while entry is not None and entry not in flow.active:
        entry = flow.dominators.get(entry)
    if entry is not None:
        positions = flow.region(entry, sink)
    if entry is None or positions is None:
        return None
    inside = set(positions)
    while (user := flow.sole_user(sink)) is not None:
        node = flow.nodes[user]
        scales = node.primitive in ("mul", "add", "sub", "div") and len(flow.activity(node)) == 1
        constants = [v for v in node.values if v != sink]
        if node.primitive in LAYOUT:
            pass
        elif (
            not scales
            or any(v in flow.varying or v in flow.rows for v in constants)
            or (node.primitive == "div" and node.inputs[0] != sink)
        ):
            break
        inside.add(user)
        sink = node.outputs[0]
        if node.primitive not in LAYOUT:
            last = user
    sink = flow.nodes[last].outputs[0]
    positions = sorted(at for at in inside if at <= last)
    return assembled(flow, Kind.NORMALIZATION, positions, entry, sink, size=size)


def applied(flow: Flow, size: int, most: int = 16) -> int | None:
    """The position where everything that is multiplied with a size has come together again."""
    live, derived, done = {size}, {size}, set[int]()
    multiplied = False
    for _ in range(most):
        if any(value in flow.kept for value in live):
            return None
        users = {at for value in live for at in flow.users.get(value, ()) if at not in done}
        if not users:
            return None
        position = min(users)
        node = flow.nodes[position]
        if node.primitive not in LAYOUT | {"mul", "div", "add", "sub", "neg", "max", "min"}:
            return None
        others = [value for value in node.values if value in flow.active and value not in derived]
        if node.primitive == "div" and others and node.inputs[0] != others[0]:
            return None  # size / x
        done.add(position)
        derived.update(node.outputs)
        live.update(node.outputs)
        live = {
            value
            for value in live
            if value in node.outputs or not done.issuperset(flow.users.get(value, ()))
        }
        multiplied = multiplied or (node.primitive in ("mul", "div") and bool(others))
        if multiplied and len(live) == 1:
            return position
    return None


def behind(flow: Flow, operand: Operand) -> Operand:
    return flow.behind_layout(operand)


def primitive(flow: Flow, operand: Operand) -> str:
    node = flow.producer(operand)
    return "" if node is None else node.primitive


def same(flow: Flow, one: Operand, other: Operand, depth: int = 4) -> bool:
    """Whether two operands are equal by construction."""
    if isinstance(one, Literal) or isinstance(other, Literal):
        return (
            isinstance(one, Literal) and isinstance(other, Literal) and bool(one.val == other.val)
        )
    if one == other:
        return True
    first, second = flow.producer(one), flow.producer(other)
    return (
        depth > 0
        and first is not None
        and second is not None
        and first.primitive == second.primitive
        and len(first.inputs) == len(second.inputs)
        and described(first.params) == described(second.params)
        and all(
            same(flow, a, b, depth - 1) for a, b in zip(first.inputs, second.inputs, strict=True)
        )
    )


def within(units: Collection[Unit]) -> set[int]:
    return {position for unit in units for position in unit.positions}
