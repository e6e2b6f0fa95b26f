"""Derivatives where they are a convention: 0 at the kinks of rectifiers, and where two numbers that
are compared are equal."""

from backlight.graph.unit import Unit
from backlight.rules.operations import Kind
from backlight.values.arrays import Array, Arrays


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
