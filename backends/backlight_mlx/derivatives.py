"""Derivatives that are a convention: where several numbers are the largest, the first one gets all."""

from collections.abc import Callable
from typing import Any, cast

import mlx.core as mx

from backlight.engine.conventions import along_axes
from backlight.values.arrays import Arrays

ARRAYS = cast(Arrays, mx)
"""`mlx.core` has the array API standard's names and meanings."""


def extremum(function: Callable[..., Any], axes: tuple[int, ...]) -> Callable[[Any], Any]:
    """The largest (or smallest) number along axes, which stay with length 1."""

    @mx.custom_function
    def found(x: Any) -> Any:
        return function(x, axis=axes, keepdims=True)

    found.vjp(lambda x, grad, _: along_axes(x, grad, axes, function is mx.min, ARRAYS))
    return found
