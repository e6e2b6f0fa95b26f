"""Small arithmetic that rules share: positive and negative parts, quotients that are never 0 / 0."""

from backlight.values.arrays import Array, Arrays, precision


def positive(x: Array, arrays: Arrays) -> Array:
    """max(x, 0)."""
    return arrays.maximum(x, arrays.zeros_like(x))


def negative(x: Array, arrays: Arrays) -> Array:
    """min(x, 0)."""
    return x - positive(x, arrays)


def stabilised(z: Array, epsilon: float, arrays: Arrays) -> Array:
    """z moved away from 0 by epsilon: z + epsilon where z is at least 0, z - epsilon below."""
    step = arrays.zeros_like(z) + epsilon
    return z + arrays.where(z < 0.0, -step, step)


def quotient(numerator: Array, denominator: Array, arrays: Arrays) -> Array:
    """numerator / denominator; 0 where the denominator is 0."""
    size = arrays.abs(denominator)
    some = size > 0.0
    safe = arrays.where(some, denominator, arrays.zeros_like(denominator) + 1.0)
    found = numerator / safe
    return arrays.where(some, found, arrays.zeros_like(found))


def tiny(x: Array) -> float:
    """A step that is lost in rounding beside numbers of ordinary size, of the array's dtype."""
    return precision(x) ** 2 if precision(x) < 1e-4 else precision(x)


def smallest(x: Array) -> float:
    """A number near the smallest that the array's dtype holds in full precision; of float16, whose are
    not much smaller than ordinary numbers, the smallest of all."""
    name = str(x.dtype)
    if "float64" in name:
        return 1e-300
    return 2.0**-24 if "float16" in name and "bfloat16" not in name else 1e-37
