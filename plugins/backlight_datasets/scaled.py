"""float32 in half of the room: float16 with a power of two for each example."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

LARGEST = 15
"""Numbers are scaled to below two to this power; float16 ends at 65504."""

BELOW = np.nextafter(np.float16(2**LARGEST), np.float16(0))

SMALLEST = -126
"""The exponent of the smallest normal float32, which scales are not below."""


def scaled(values: NDArray[np.float32]) -> tuple[NDArray[np.float16], NDArray[np.float32]]:
    """The numbers as float16 and the scale of each example; `unscaled` has what they mean.

    A power of two changes no digits, so that all that is lost is float16's rounding: plain float16
    would lose small numbers altogether, as gradients of a probability are.
    """
    _, exponents = np.frexp(largest(values))
    powers = np.maximum(exponents - LARGEST, SMALLEST)
    scales = np.ldexp(np.float32(1), powers).astype(np.float32)
    codes: NDArray[np.float32] = values / spread(scales, values.ndim)
    narrow = codes.astype(np.float16)
    # The largest numbers of all, rounded up, would be infinite.
    if exponents.max(initial=0) == np.finfo(np.float32).maxexp:
        narrow = np.where(np.isinf(narrow), narrow, narrow.clip(-BELOW, BELOW))
    return narrow, scales


def unscaled(values: NDArray[np.float16], scales: NDArray[np.float32]) -> NDArray[np.float32]:
    """float32 of the same shape."""
    restored = values.astype(np.float32)
    restored *= spread(scales, values.ndim)
    return restored


def largest(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """The size of the largest finite number of each example."""
    axes = tuple(range(1, values.ndim))
    # Without a copy where all are finite.
    found: NDArray[np.float32]
    found = np.maximum(values.max(axis=axes, initial=0), -values.min(axis=axes, initial=0))
    if not np.isfinite(found).all():
        found = np.abs(np.where(np.isfinite(values), values, 0)).max(axis=axes, initial=0)
    return found


def spread(one_each: NDArray[Any], axes: int) -> NDArray[Any]:
    """One number per example, in the shape that goes with arrays of so many axes."""
    return one_each.reshape(-1, *[1] * (axes - 1))
