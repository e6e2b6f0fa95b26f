"""Derivatives that are a convention: where several numbers are the largest, the first one gets all."""

from collections.abc import Callable
from typing import Any

import mlx.core as mx


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
