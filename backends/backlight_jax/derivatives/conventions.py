"""Derivatives where they are a convention: where several numbers in a window are the largest, the first
one gets all."""

import math
from itertools import product
from typing import Any

import jax.numpy as jnp
from jax import lax

from backlight_jax.capture.program import Node

LARGEST = 128
"""How many places a window may have for the gradient to look at each in turn."""


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
