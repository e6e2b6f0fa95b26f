"""Normalisations, found in the equations that spell them."""

from collections.abc import Iterator

from backlight.operations import Kind
from backlight_jax.composites import assembled
from backlight_jax.flow import Flow
from backlight_jax.program import Node, Operand
from backlight_jax.structure import LAYOUT
from backlight_jax.units import Unit

LINEAR = LAYOUT | {"mul", "div", "add", "sub", "neg"}
WITHIN = LINEAR | {
    "abs", "clamp", "eq", "ge", "gt", "integer_pow", "is_finite", "le", "lt", "max", "min", "ne", "pow",
    "reduce_sum", "rsqrt", "select_n", "sqrt", "square",
}  # fmt: skip
"""What a normalisation may be made of."""


def normalizations(flow: Flow) -> Iterator[Unit]:
    """Every x / size(x), with what is x minus its mean, and the constants behind it."""
    for position in sorted(flow.needed):
        node = flow.nodes[position]
        power = root(flow, node)
        if power and flow.activity(node) == [0] and measures(flow, node.inputs[0]):
            found = normalization(flow, node.outputs[0], power < 0)
            if found is not None:
                yield found


def root(flow: Flow, node: Node) -> float:
    """The power of a square root, or of its reciprocal; 0 for all else."""
    if node.primitive in ("rsqrt", "sqrt"):
        return -0.5 if node.primitive == "rsqrt" else 0.5
    exponent = flow.number(node.inputs[1]) if node.primitive == "pow" else None
    return float(exponent) if exponent is not None and abs(float(exponent)) == 0.5 else 0.0


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


def normalization(flow: Flow, size: int, inverse: bool) -> Unit | None:
    """The normalisation by a size, or by the reciprocal of one."""
    position = applied(flow, size, inverse)
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
    if any(flow.nodes[position].primitive not in WITHIN for position in positions):
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


def applied(flow: Flow, size: int, inverse: bool, most: int = 16) -> int | None:
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
        if node.primitive not in LINEAR | {"max", "min"}:
            return None
        others = [value for value in node.values if value in flow.active and value not in derived]
        if node.primitive == "div" and not divides(node, derived):
            if others:
                return None  # the size divided by something
        elif node.primitive == "div" and not others:
            inverse = not inverse
        elif node.primitive in ("mul", "div") and others and inverse is (node.primitive == "div"):
            return None
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


def divides(node: Node, derived: set[int]) -> bool:
    """Whether the divisor alone comes from the size."""

    def comes(operand: Operand) -> bool:
        return isinstance(operand, int) and operand in derived

    return comes(node.inputs[1]) and not comes(node.inputs[0])
