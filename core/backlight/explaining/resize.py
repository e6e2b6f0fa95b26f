"""Resizing of maps as two matrix products: the same on every framework, and differentiable.

Sample points are pixel centres (the `align_corners=False`, half-pixel convention of torch
`interpolate`, TensorFlow 2 and PIL when enlarging); there is no antialiasing. Or each cell is placed
where it looks: at the centre of its receptive field.
"""

from collections.abc import Sequence
from functools import cache
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from backlight.graph.axes.grids import Line
from backlight.model.model import Model
from backlight.values.arrays import Array, shape_of

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


def placed_matrix(line: Line, size: int) -> NDArray[np.float64]:
    """The (size, cells) matrix that draws a line of cells at the places that they look at: linear
    between their centres, and the edge cells' beyond."""
    position = np.clip((np.arange(size) - line.offset) / line.stride, 0.0, line.length - 1.0)
    tents = 1.0 - np.abs(position[:, None] - np.arange(line.length))
    return np.asarray(np.maximum(0.0, tents))


def resize(maps: Array, size: tuple[int, ...], interpolation: Interpolation, model: Model) -> Array:
    """Maps of shape (N, *places) resampled to (N, *size), axis by axis."""
    lengths = zip(shape_of(maps)[1:], size, strict=True)
    return resampled(maps, [resize_matrix(*one, interpolation) for one in lengths], model)


def place(maps: Array, lines: Sequence[Line], size: tuple[int, ...], model: Model) -> Array:
    """Maps of shape (N, *cells) drawn at the places of (N, *size) that the cells look at."""
    return resampled(maps, [placed_matrix(*one) for one in zip(lines, size, strict=True)], model)


def resampled(maps: Array, matrices: Sequence[NDArray[np.float64]], model: Model) -> Array:
    """Maps with a (size, length) matrix applied along each axis but the first."""
    arrays = model.arrays
    for axis, numbers in enumerate(matrices, start=1):
        shape = shape_of(maps)
        matrix = model.asarray(numbers.T, like=maps)
        # The axis in question last, one matrix product, and back.
        order = (*(other for other in range(len(shape)) if other != axis), axis)
        rows = arrays.reshape(arrays.permute_dims(maps, order), (-1, shape[axis]))
        found = arrays.reshape(rows @ matrix, (*(shape[i] for i in order[:-1]), len(numbers)))
        back = tuple(order.index(i) for i in range(len(shape)))
        maps = arrays.permute_dims(found, back)
    return maps
