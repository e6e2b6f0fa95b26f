"""Derivatives where they are a convention: 0 at the kinks of rectifiers; where several numbers are
the largest, the first one gets all."""

from collections.abc import Callable
from typing import Any

import mlx.core as mx

from backlight.graph.graph import Node
from backlight.graph.unit import Unit
from backlight.operations import Kind


def by_convention(unit: Unit, node: Node, x: Any, grad: Any, bound: Any) -> Any | None:
    """The gradient of an operation where it is a convention at kinks and ties; None for all others.

    Args:
        unit, node: the operation and its first node.
        x: where it is taken.
        grad: of the result.
        bound: what a maximum or minimum of two operands holds x against; None for others.
    """
    zeros = mx.zeros_like(grad)
    match unit.kind:
        case Kind.RELU:
            return mx.where(x > 0, grad, zeros)
        case Kind.RELU6 if unit.constant is not None:
            return mx.where((x > 0) & (x < unit.constant), grad, zeros)
        case Kind.LEAKY_RELU if unit.constant is not None:
            return mx.where(x > 0, grad, grad * unit.constant)
        case Kind.ABS:
            return grad * mx.sign(x)
        case Kind.MAX | Kind.MIN if bound is not None and x.shape == grad.shape:
            return mx.where(x > bound if unit.kind is Kind.MAX else x < bound, grad, zeros)
    return None


def extremum(function: Callable[..., Any], axes: tuple[int, ...]) -> Callable[[Any], Any]:
    """The largest (or smallest) number along axes, which stay with length 1."""
    smallest = function is mx.min

    @mx.custom_function
    def found(x: Any) -> Any:
        return function(x, axis=axes, keepdims=True)

    found.vjp(lambda x, grad, _: along_axes(x, grad, axes, smallest))
    return found


def along_axes(x: Any, grad: Any, axes: tuple[int, ...], smallest: bool) -> Any:
    """The gradient of the largest (or smallest) number along axes, from `grad`, which has them with
    length 1."""
    kept = tuple(axis for axis in range(x.ndim) if axis not in axes)
    order = (*kept, *axes)
    moved = mx.transpose(x, order)
    flat = moved.reshape(*moved.shape[: len(kept)], -1)
    first = (mx.argmin if smallest else mx.argmax)(flat, axis=-1, keepdims=True)
    arriving = mx.transpose(grad, order).reshape(*first.shape)
    found = mx.where(mx.arange(flat.shape[-1]) == first, arriving, mx.zeros_like(flat))
    back = sorted(range(x.ndim), key=order.__getitem__)
    return mx.transpose(found.reshape(moved.shape), back)
