"""Derivatives where they are a convention: where several numbers are the largest, the first one gets
all."""

import math
from collections.abc import Callable
from itertools import product
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from backlight.graph.unit import Unit
from backlight.rules.operations import Kind
from backlight_jax.capture.program import Node

LARGEST = 128
"""How many places a window may have for the gradient to look at each in turn."""


def largest_first(
    unit: Unit, node: Node, x: Any, grad: Any, result: Callable[[], Any]
) -> Any | None:
    """The gradient of a maximum or minimum over windows or axes; None for all other operations.

    Args:
        unit, node: the operation and its first equation.
        x: where it is taken.
        grad: of the result.
        result: gives the result at x.
    """
    match unit.kind:
        case Kind.MAX_POOL if node.primitive == "reduce_window_max":
            return windows_gradient(node, x, result(), grad)
        case Kind.MAX | Kind.MIN if node.primitive in ("reduce_max", "reduce_min"):
            return axes_gradient(x, grad, tuple(node.params["axes"]), unit.kind is Kind.MIN)
    return None


def axes_gradient(x: Any, grad: Any, axes: tuple[int, ...], smallest: bool) -> Any:
    """Of the largest (or smallest) number along axes, which `grad` has no more."""
    last = range(-len(axes), 0)
    moved = jnp.moveaxis(x, axes, last)
    flat = moved.reshape(*grad.shape, -1)
    first = (jnp.argmin if smallest else jnp.argmax)(flat, axis=-1)
    hit = jax.nn.one_hot(first, flat.shape[-1], dtype=bool)
    found = jnp.where(hit, grad[..., None], jnp.zeros_like(flat))
    return jnp.moveaxis(found.reshape(moved.shape), last, axes)


def windows_gradient(node: Node, x: Any, y: Any, grad: Any) -> Any | None:
    """Of the largest number in windows; None for windows that JAX's own gradient is left to."""
    params = node.params
    window, strides = params["window_dimensions"], params["window_strides"]
    dilation = params["window_dilation"]
    if math.prod(window) > LARGEST or any(step != 1 for step in params["base_dilation"]):
        return None
    padding = params["padding"]
    padded = lax.pad(x, jnp.array(-jnp.inf, x.dtype), [(*sides, 0) for sides in padding])
    taken = jnp.zeros(y.shape, bool)
    total = jnp.zeros_like(padded)
    nothing = jnp.array(0, grad.dtype)
    for place in product(*map(range, window)):  # row by row
        start = [at * step for at, step in zip(place, dilation, strict=True)]
        stop = [
            low + (count - 1) * step + 1
            for low, count, step in zip(start, y.shape, strides, strict=True)
        ]
        hit = (lax.slice(padded, start, stop, strides) == y) & ~taken
        taken = taken | hit
        share = jnp.where(hit, grad, jnp.zeros_like(grad))
        around = [
            (low, length - high, step - 1)
            for low, high, length, step in zip(start, stop, padded.shape, strides, strict=True)
        ]
        total = total + lax.pad(share, nothing, around)
    return lax.slice(
        total,
        [low for low, _ in padding],
        [length - high for length, (_, high) in zip(padded.shape, padding, strict=True)],
    )
