"""The values of one table, or of several side by side, with the names of their columns."""

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from backlight.attribution.described import DescribedInput
from backlight.values.tree import Tree, leaves, names

Values: TypeAlias = Tree[NDArray[Any]]


def is_table(values: Values) -> bool:
    """Whether all are of columns, (N, columns), or of one, (N,)."""
    return all(array.ndim in (1, 2) for array in leaves(values))


def beside(arrays: Sequence[NDArray[Any]]) -> NDArray[Any]:
    """Columns of several tables side by side, (N, all columns)."""
    return np.concatenate([array.reshape(len(array), -1) for array in arrays], axis=1)


def column_names(values: Values, inputs: Sequence[DescribedInput]) -> list[str | int]:
    """The names of all columns: their own, or an input's with their number, or that alone.

    Args:
        values: of tables.
        inputs: whose they are, as far as they are described.
    """
    arrays, found = leaves(values), list[str | int]()
    described = inputs if len(inputs) == len(arrays) else (None,) * len(arrays)
    for name, one, array in zip(names(values), described, arrays, strict=True):
        own = () if one is None else one.names
        if own:
            found += own
        elif len(arrays) == 1:
            found += range(array.reshape(len(array), -1).shape[1])
        else:
            several = array.ndim == 2 and array.shape[1] > 1
            found += [f"{name}[{at}]" for at in range(array.shape[1])] if several else [name]
    return found
