"""Resizing of maps as two matrix products: the same on every framework, and differentiable.

Sample points are pixel centres (the `align_corners=False`, half-pixel convention of torch
`interpolate`, TensorFlow 2 and PIL when enlarging); there is no antialiasing.
"""

from functools import cache
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from backlight.arrays import Array, shape_of
from backlight.model import Model

Interpolation: TypeAlias = Literal["bilinear", "nearest"]


@cache
def resize_matrix(source: int, size: int, interpolation: Interpolation) -> NDArray[np.float64]:
    """The (size, source) matrix that resamples a line of `source` pixels to `size` pixels.

    Pixel i of the result samples the source at (i + 0.5) * source / size - 0.5, clamped to the edge
    pixels; `nearest` takes source pixel floor((i + 0.5) * source / size) as torch's "nearest-exact".
    """
    centre = (np.arange(size) + 0.5) * source / size
    matrix = np.zeros((size, source))
    rows = np.arange(size)
    if interpolation == "nearest":
        matrix[rows, np.minimum(centre.astype(int), source - 1)] = 1.0
        return matrix
    position = np.clip(centre - 0.5, 0.0, source - 1.0)
    lower = np.minimum(np.floor(position).astype(int), max(source - 2, 0))
    fraction = position - lower
    np.add.at(matrix, (rows, lower), 1.0 - fraction)
    np.add.at(matrix, (rows, np.minimum(lower + 1, source - 1)), fraction)
    return matrix


def resize(maps: Array, size: tuple[int, ...], interpolation: Interpolation, model: Model) -> Array:
    """Maps of shape (N, *places) resampled to (N, *size), axis by axis."""
    arrays = model.arrays
    for axis, length in enumerate(size, start=1):
        shape = shape_of(maps)
        matrix = model.asarray(resize_matrix(shape[axis], length, interpolation).T, like=maps)
        # The axis in question last, one matrix product, and back.
        order = (*(other for other in range(len(shape)) if other != axis), axis)
        rows = arrays.reshape(arrays.permute_dims(maps, order), (-1, shape[axis]))
        resampled = arrays.reshape(rows @ matrix, (*(shape[i] for i in order[:-1]), length))
        back = tuple(order.index(i) for i in range(len(shape)))
        maps = arrays.permute_dims(resampled, back)
    return maps
