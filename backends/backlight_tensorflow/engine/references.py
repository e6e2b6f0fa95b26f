"""The arrays of a pass over a reference."""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from backlight.arrays import shape_of
from backlight.errors import InputError
from backlight_tensorflow.capture.flattening import Tensor, Value
from backlight_tensorflow.capture.paths import Path
from backlight_tensorflow.nets.calls import Request


def reference_arrays(
    given: Sequence[object], path: Path, shared: bool, request: Request
) -> list[Tensor]:
    """One row each if all examples can share it, else one per example.

    Args:
        given: an array for each of the path's places.
        shared: whether all examples can share one row.
    """
    count = request.count
    found = [fitting(each, value, count) for each, value in zip(given, path.places, strict=True)]
    if not shared or any(each.shape[0] != 1 for each in found):
        found = [tf.broadcast_to(each, (count, *each.shape[1:])) for each in found]
    return found


def fitting(given: object, value: Value, count: int) -> Tensor:
    dtype, wanted = value.tensor.dtype, value.tensor.shape[1:]
    tensor = tf.convert_to_tensor(given, dtype if isinstance(given, np.ndarray) else None)
    fits = tensor.shape.rank and wanted.is_compatible_with(tensor.shape[1:])
    if not fits or tensor.dtype != dtype or tensor.shape[0] not in (1, count):
        raise InputError(
            f"A reference here holds {dtype.name} of shape {(count, *tuple(wanted))}, or one "
            f"row of that; got {tensor.dtype.name} of shape {shape_of(tensor)}."
        )
    return tensor


def can_share(path: Path, request: Request) -> bool:
    """Whether a pass over one row can be held against one over all examples, whose values have a row
    for each."""
    if request.count == 1 or path.traced.count is not None:
        return request.count == 1
    return not path.beside and not any(each.rows for each in request.arguments[request.width :])
