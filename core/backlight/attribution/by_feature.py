"""An attribution's values pooled to features."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final, get_args

import numpy as np
from numpy.typing import NDArray

from backlight.errors import HyperParameterError
from backlight.features.features import Part
from backlight.features.labelling import FeaturesOf, Pooling, label
from backlight.values.layout import Layout
from backlight.values.tree import Tree, leaves, names


@final
@dataclass(frozen=True, eq=False)
class ByFeature:
    """Numbers of features.

    Attributes:
        names: of the features, M of them.
        values: float64, shape (N, M); 0 where an example lacks a feature that others have.
        standard_error: the most that it can be of each, reached where all numbers of a feature go up
            and down together, as where a technique asked about these features; None where no samples
            were drawn.
    """

    names: tuple[str, ...]
    values: NDArray[np.float64]
    standard_error: NDArray[np.float64] | None = None


def by_feature(
    values: Tree[NDArray[np.generic]],
    standard_error: Tree[NDArray[np.generic]] | None,
    layouts: Sequence[Layout | None],
    features: FeaturesOf,
    how: Pooling,
    columns: Sequence[tuple[str, ...]] = (),
) -> ByFeature:
    """Values (N, ...) pooled; see `Attribution.by`."""
    if how not in get_args(Pooling):
        raise HyperParameterError(f"Values are pooled by 'sum', 'mean' or 'norm', got {how!r}.")
    arrays = leaves(values)
    known = layouts or (None,) * len(arrays)
    called = columns if len(columns) == len(arrays) else ((),) * len(arrays)
    rows = np.arange(len(arrays[0]))
    parts = [
        Part(array.shape, layout, rows, len(rows), columns=own)
        for array, layout, own in zip(arrays, known, called, strict=True)
    ]
    ((_, labelling),) = label(features, parts, names(values), together=True)
    size = np.maximum(labelling.sizes, 1) if how == "mean" else 1.0
    if how == "norm":
        squares = [np.square(np.asarray(array, dtype=np.float64)) for array in arrays]
        return ByFeature(labelling.names, np.sqrt(labelling.pooled(squares)))
    return ByFeature(
        labelling.names,
        labelling.pooled(arrays) / size,
        None if standard_error is None else labelling.pooled(leaves(standard_error)) / size,
    )
