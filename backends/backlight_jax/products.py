"""Matrix products and convolutions by constants: their weights, and what is folded into them."""

from collections.abc import Mapping
from typing import Any

from backlight.operations import Kind
from backlight_jax.flow import Flow
from backlight_jax.program import Node, Operand
from backlight_jax.structure import SAME_VALUE
from backlight_jax.units import Affine, Linear, Unit

SHIFTS = {"add", "sub", "add_any"}


def product(flow: Flow, position: int) -> Unit | None:
    """The linear operation that an equation with one active operand is."""
    node = flow.nodes[position]
    (active,) = flow.activity(node)
    kind = Kind.DENSE
    if node.primitive == "conv_general_dilated":
        if active != 0 or node.params["batch_group_count"] != 1:
            return None
        kind = Kind.CONVOLUTION
    weight = 1 - active
    held = node.inputs[weight]
    value = node.inputs[active]
    assert isinstance(value, int)
    if not isinstance(held, int) or held in flow.made:
        kind = Kind.SUM  # a fixed map: averages, interpolation
    return Unit(
        kind,
        (node,),
        (value,),
        (value,),
        node.outputs,
        (position,),
        node.primitive,
        linear=None if kind is Kind.SUM else Linear(node, weight, weight_axes(node, weight)),
    )


def weight_axes(node: Node, weight: int) -> tuple[int | None, ...]:
    """For each axis of the result, the axis of the weight that it comes from."""
    rank = len(node.equation.outvars[0].aval.shape)  # type: ignore[attr-defined]
    axes: list[int | None] = [None] * rank
    numbers = node.params["dimension_numbers"]
    if node.primitive == "conv_general_dilated":
        axes[numbers.out_spec[1]] = numbers.rhs_spec[0]
        return tuple(axes)
    contracted, batched = numbers
    order: list[tuple[int, int]] = [(0, axis) for axis in batched[0]]
    free = [
        (side, axis)
        for side in (0, 1)
        for axis in range(len(node.equation.invars[side].aval.shape))  # type: ignore[attr-defined]
        if axis not in contracted[side] and axis not in batched[side]
    ]
    order = [(weight, axis) for axis in batched[weight]] + free
    for at, (side, axis) in enumerate(order):
        if side == weight:
            axes[at] = axis
    return tuple(axes)


def folded(flow: Flow, unit: Unit, scales: bool, taken: Mapping[int, Unit]) -> Unit:
    """The operation with the bias behind it or, with `scales`, all scales and shifts by constants.

    What is part of a larger operation, as the minus in a sigmoid, stays there.
    """
    linear = unit.linear
    assert linear is not None
    axes, steps, pending = linear.axes, list[Affine](), list[tuple[Affine, int]]()
    value = unit.output
    found: tuple[tuple[Affine, ...], tuple[int, ...], int] = ((), (), value)
    while (position := flow.sole_user(value)) is not None:
        node = flow.nodes[position]
        step = affine_step(flow, node, value)
        kind = taken[position].kind if position in taken else None
        if step is None or kind not in (None, Kind.SCALE, Kind.SHIFT):
            break
        if step.moves is not None:
            axes = moved(axes, step.moves)
        elif node.primitive not in SHIFTS:
            if not scales or any(axes[axis] is None for axis in step.varies):
                break
        elif not scales and any(each.node.primitive in SHIFTS for each in steps):
            break
        steps.append(step)
        pending.append((step, position))
        value = node.outputs[0]
        if step.moves is None:  # a move at the end is no part of the operation
            found = (tuple(steps), tuple(at for _, at in pending), value)
    behind, positions, output = found
    if not behind:
        return unit
    return Unit(
        unit.kind,
        (*unit.nodes, *(step.node for step in behind)),
        unit.arguments,
        unit.inputs,
        (output,),
        (*unit.positions, *positions),
        unit.type,
        linear=Linear(linear.node, linear.weight, linear.axes, behind),
    )


def affine_step(flow: Flow, node: Node, value: int) -> Affine | None:
    """The move, shift or scale by constants that an equation is."""
    places = [at for at, operand in enumerate(node.inputs) if operand == value]
    if len(places) != 1 or len(node.outputs) != 1 or node.outputs[0] not in flow.active:
        return None
    (place,) = places
    if (moves := moves_of(flow, node)) is not None:
        return Affine(node, place, moves=moves)
    if node.primitive == "neg":
        return Affine(node, place)
    if node.primitive not in SHIFTS | {"mul", "div"} or (node.primitive == "div" and place == 1):
        return None
    constant = node.inputs[1 - place]
    if isinstance(constant, int) and (constant in flow.rows or constant in flow.varying):
        return None
    if flow.shape(node.outputs[0]) != flow.shape(value):
        return None
    return Affine(node, place, differing(flow, constant, len(flow.shape(value))))


def moves_of(flow: Flow, node: Node) -> tuple[int | None, ...] | None:
    """For each axis of the result the axis it was, of an equation that only moves axes, adds axes of
    length 1 and drops such."""
    if node.primitive == "transpose":
        return tuple(int(axis) for axis in node.params["permutation"])
    if node.primitive in SAME_VALUE:
        return tuple(range(len(flow.shape(node.outputs[0]))))
    if node.primitive not in ("reshape", "squeeze", "expand_dims"):
        return None
    before, after = flow.shape(node.values[0]), flow.shape(node.outputs[0])
    wide = [axis for axis, length in enumerate(before) if length != 1]
    if [before[axis] for axis in wide] != [length for length in after if length != 1]:
        return None
    remaining = iter(wide)
    return tuple(None if length == 1 else next(remaining) for length in after)


def moved(axes: tuple[int | None, ...], moves: tuple[int | None, ...]) -> tuple[int | None, ...]:
    return tuple(None if axis is None else axes[axis] for axis in moves)


def differing(flow: Flow, operand: Operand, rank: int) -> frozenset[int]:
    """The axes along which a constant may differ."""
    if flow.number(operand) is not None or not isinstance(operand, int):
        return frozenset()
    shape = flow.shape(operand)
    if not shape:
        return frozenset()
    wide = {axis for axis, length in enumerate(shape) if length != 1}
    node: Any = flow.producer(operand)
    if node is not None and node.primitive == "broadcast_in_dim":
        inner = node.inputs[0]
        if flow.number(inner) is not None:
            return frozenset()
        before = flow.shape(inner)
        placed = node.params["broadcast_dimensions"]
        inside = differing(flow, inner, len(before))
        return frozenset(int(placed[axis]) for axis in inside)
    if node is not None and node.primitive in ("add", "sub", "mul", "div", "rsqrt", "sqrt", "neg"):
        inner_axes = [differing(flow, each, rank) for each in node.inputs]
        return frozenset().union(*inner_axes) & wide
    return frozenset(wide)
