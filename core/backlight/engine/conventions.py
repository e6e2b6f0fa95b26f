"""Derivatives where they are a convention: 0 at the kinks of rectifiers, and where two numbers that
are compared are equal; where several numbers are the largest, the first one gets all."""

from typing import Any, cast

from backlight.graph.graph import Node
from backlight.graph.unit import Unit
from backlight.rules.operations import Kind
from backlight.values.arrays import Array, Arrays, shape_of


def at_kinks(
    unit: Unit, x: Array, grad: Array, bound: Array | float | None, arrays: Arrays
) -> Array | None:
    """The gradient of a piecewise linear function of each number; None for all other operations.

    Args:
        unit: the operation.
        x: where it is taken.
        grad: of the result.
        bound: what a maximum or minimum holds x against; None for others.
    """
    zeros, constant = arrays.zeros_like(grad), unit.constant
    match unit.kind:
        case Kind.RELU:
            return arrays.where(x > 0, grad, zeros)
        case Kind.RELU6 if constant is not None:
            return arrays.where(x > 0, arrays.where(x < constant, grad, zeros), zeros)
        case Kind.LEAKY_RELU if constant is not None:
            return arrays.where(x > 0, grad, grad * constant)
        case Kind.ABS:
            return arrays.where(x > 0, grad, arrays.where(x < 0, -grad, zeros))
        case Kind.MAX if bound is not None:
            return arrays.where(x > bound, grad, zeros)
        case Kind.MIN if bound is not None:
            return arrays.where(x < bound, grad, zeros)
    return None


def of_extremum(unit: Unit, node: Node, x: Array, grad: Array, arrays: Arrays) -> Array | None:
    """The gradient of the largest or smallest number along axes; None for all other operations.

    Args:
        unit, node: the operation and its first node.
        x: where it is taken.
        grad: of the result.
    """
    if unit.kind not in (Kind.MAX, Kind.MIN) or node.primitive not in ("max", "min"):
        return None
    return along_axes(x, grad, tuple(node.attributes["axes"]), unit.kind is Kind.MIN, arrays)


def along_axes(
    x: Array, grad: Array, axes: tuple[int, ...], smallest: bool, arrays: Arrays
) -> Array:
    """The gradient of the largest (or smallest) number along axes, from `grad`, which has them with
    length 1 or not at all."""
    shape = shape_of(x)
    arange = cast(Any, arrays).arange
    kept = tuple(axis for axis in range(len(shape)) if axis not in axes)
    order = (*kept, *axes)
    moved = arrays.permute_dims(x, order)
    flat = arrays.reshape(moved, (*(shape[axis] for axis in kept), -1))
    first = arrays.expand_dims(arrays.argmax(-flat if smallest else flat, axis=-1), axis=-1)
    hit = arange(shape_of(flat)[-1]) == first
    found = arrays.where(hit, arrays.reshape(grad, shape_of(first)), arrays.zeros_like(flat))
    back = tuple(sorted(range(len(order)), key=order.__getitem__))
    return arrays.permute_dims(arrays.reshape(found, shape_of(moved)), back)
