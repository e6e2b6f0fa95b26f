"""Linear operations with constant weights, and the biases, scales and shifts behind them."""

from collections.abc import Mapping
from dataclasses import replace

from backlight.graph.dependence.dependence import Dependence
from backlight.graph.graph import Node
from backlight.graph.unit import Linear, Step, Unit
from backlight.rules.operations import Kind

FOLDED = (None, Kind.SCALE, Kind.SHIFT, Kind.BATCH_NORM)
"""What may be behind a linear operation without being a part of something else."""

SHIFTS = frozenset({"shift", "reversed shift"})

ARITHMETIC = frozenset({"add", "sub", "mul", "div", "rsqrt", "sqrt", "neg", "reciprocal"})
"""Of which the result differs along the axes along which an operand does."""


def linear_of(flow: Dependence, position: int, kind: Kind) -> Linear:
    """The weights of a product of one active operand."""
    node = flow.nodes[position]
    (active,) = (place for place in flow.activity(node) if place < 2)
    bias = node.operands[2] if len(node.operands) > 2 else None
    axes = weight_axes(flow, node, 1 - active)
    return Linear(position, node.operands[1 - active], 1 - active, axes, bias)


def weight_axes(flow: Dependence, node: Node, place: int) -> tuple[int | None, ...]:
    """For each axis of the result, the axis of the weight that it comes from."""
    if node.primitive == "conv":
        axes: list[int | None] = [None] * len(flow.shape(node.result))
        channels = node.attributes["weight_axes"][0]
        if isinstance(channels, int):  # in groups that come first they are on no single axis
            axes[node.attributes["result_axes"][1]] = channels
        return tuple(axes)
    operands, result = node.attributes["equation"].split("->")
    own, other = operands.split(",")[place], operands.split(",")[1 - place]
    return tuple(own.index(one) if one in own and one not in other else None for one in result)


def folded(flow: Dependence, unit: Unit, scales: bool, taken: Mapping[int, Unit]) -> Unit:
    """The operation with the bias behind it or, with `scales`, all scales and shifts by constants."""
    linear = unit.linear
    assert linear is not None
    axes, steps = linear.axes, list[Step]()
    value, output, kept = unit.output, unit.output, 0
    shifted, spread = linear.bias is not None, False
    while (position := flow.sole_user(value)) is not None:
        step = step_of(flow, position, value)
        kind = taken[position].kind if position in taken else None
        if step is None or kind not in FOLDED:
            break
        if step.moves is not None:
            # A bias behind heads that are taken apart is one nevertheless; it cannot go through that.
            if spread or (shifted and loses(axes, step.moves)):
                break
            axes = tuple(None if axis is None else axes[axis] for axis in step.moves)
        elif step.effect in SHIFTS:
            if not scales and (shifted or step.effect != "shift"):
                break
            shifted, spread = True, spread or any(axes[axis] is None for axis in step.varies)
        elif not scales or any(axes[axis] is None for axis in step.varies):
            break
        steps.append(step)
        value = flow.nodes[position].result
        if step.moves is None:  # a move at the end is no part of the operation
            kept, output = len(steps), value
    if not kept:
        return unit
    behind = tuple(steps[:kept])
    positions = (*unit.positions, *(step.position for step in behind))
    return replace(
        unit, positions=positions, outputs=(output,), linear=replace(linear, steps=behind)
    )


def moved(flow: Dependence, unit: Unit, taken: Mapping[int, Unit]) -> Unit:
    """The operation with what only moves its result behind it, as long as the weight's axes stay."""
    linear = unit.linear
    assert linear is not None
    axes, spread = linear.axes, False
    for step in linear.steps:
        if step.moves is not None:
            axes = tuple(None if axis is None else axes[axis] for axis in step.moves)
        elif step.effect in SHIFTS:
            spread |= any(axes[axis] is None for axis in step.varies)
    while (position := flow.sole_user(unit.output)) is not None and position not in taken:
        behind = step_of(flow, position, unit.output)
        if behind is None or behind.moves is None or spread or loses(axes, behind.moves):
            break
        axes = tuple(None if axis is None else axes[axis] for axis in behind.moves)
        linear = replace(linear, steps=(*linear.steps, behind))
        unit = replace(
            unit,
            positions=(*unit.positions, position),
            outputs=(flow.nodes[position].result,),
            linear=linear,
        )
    return unit


def loses(axes: tuple[int | None, ...], moves: tuple[int | None, ...]) -> bool:
    """Whether a move drops an axis of the weight, or merges it with another."""
    left = [axes[axis] for axis in moves if axis is not None]
    return any(axis is not None and axis not in left for axis in axes)


def step_of(flow: Dependence, position: int, value: int) -> Step | None:
    """The move, shift or scale by constants that a node is."""
    node = flow.nodes[position]
    places = [place for place, operand in enumerate(node.operands) if operand == value]
    if len(places) != 1 or len(node.results) != 1 or node.result not in flow.active:
        return None
    (place,) = places
    if (moves := moves_of(flow, node)) is not None:
        return Step(position, place, "move", moves=moves)
    if flow.shape(node.result) != flow.shape(value):
        return None
    others = [operand for operand in node.operands if operand != value]
    if not all(map(flow.is_constant, others)):
        return None
    if node.primitive == "neg":
        return Step(position, place, "negation")
    if node.primitive == "batch_norm" and place == 0:
        return Step(position, 0, "batch_norm", varies=frozenset({node.attributes["axis"]}))
    effect = {"add": "shift", "sub": "shift", "mul": "scale", "div": "quotient"}.get(node.primitive)
    if effect is None or len(others) != 1 or (node.primitive == "div" and place == 1):
        return None
    effect = "reversed shift" if node.primitive == "sub" and place == 1 else effect
    rank = len(flow.shape(value))
    return Step(position, place, effect, others[0], differing(flow, others[0], rank))


def moves_of(flow: Dependence, node: Node) -> tuple[int | None, ...] | None:
    """For each axis of the result the axis it was, None where numbers are laid out anew, of a node that
    only moves them."""
    if node.primitive == "transpose":
        return tuple(int(axis) for axis in node.attributes["permutation"])
    if node.primitive in ("identity", "convert"):
        return tuple(range(len(flow.shape(node.result))))
    if node.primitive != "reshape":
        return None
    before, after = flow.shape(node.operands[0]), flow.shape(node.result)
    found: list[int | None] = [None] * len(after)
    one, other = len(before) - 1, len(after) - 1
    while one >= 0 and other >= 0:  # the axes at the end that stay as they are
        if before[one] == after[other]:
            found[other] = one
            one, other = one - 1, other - 1
        elif after[other] == 1:
            other -= 1
        elif before[one] == 1:
            one -= 1
        else:
            break
    return tuple(found)


def differing(flow: Dependence, value: int, rank: int) -> frozenset[int]:
    """The axes of a result of this rank along which a constant may differ."""
    shape = flow.shape(value)
    offset = rank - len(shape)
    return frozenset(axis + offset for axis in varying(flow, value))


def varying(flow: Dependence, value: int) -> frozenset[int]:
    """The axes of a constant along which it may differ."""
    if flow.number(value) is not None:
        return frozenset()
    shape = flow.shape(value)
    along = frozenset(axis for axis, length in enumerate(shape) if length != 1)
    node = flow.producer(value)
    if node is not None and node.primitive == "broadcast":
        placed = node.attributes["axes"]
        return frozenset(placed[axis] for axis in varying(flow, node.operands[0]))
    if node is not None and node.primitive in ARITHMETIC:
        inner = [
            frozenset(axis + len(shape) - len(flow.shape(one)) for axis in varying(flow, one))
            for one in node.operands
        ]
        return frozenset[int]().union(*inner) & along
    return along
