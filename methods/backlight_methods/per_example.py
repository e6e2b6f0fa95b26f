"""What techniques share that look at examples one by one: sizes, choices, names for messages."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from backlight import Objective
from backlight.explaining.zeros import numbers
from backlight.values.arrays import Array
from backlight.values.tree import Tree, concat, map_leaves, sum_per_example

Numbers = NDArray[np.float64]


def norms(objective: Objective, values: Tree) -> Numbers:
    """The sum of the absolute values of each example, shape (N,)."""
    absolute = map_leaves(objective.arrays.abs, values)
    total = sum_per_example(absolute, objective.arrays)
    return numbers(objective.model, total)


def relative(spread: Numbers, size: Numbers, objective: Objective) -> Numbers:
    """spread / size, no smaller than rounding; 0 where both are 0, infinite where only size is, or where
    it is not finite; NaN where it is not known."""
    some = np.isfinite(size) & (size > 0)
    nothing = (size == 0) & (spread == 0)
    otherwise = np.where(nothing, 0.0, np.where(np.isnan(size), np.nan, np.inf))
    ratio = np.divide(spread, size, out=otherwise, where=some)
    return np.where(some, np.maximum(ratio, objective.precision), ratio)


def named(objective: Objective, rows: NDArray[np.int64]) -> str:
    """The examples of these rows by their place in the user's batch: `examples 0, 3`."""
    numbers = objective.rows[rows].tolist()
    shown = ", ".join(map(str, numbers[:10])) + (" ..." if len(numbers) > 10 else "")
    return f"example{'s' if len(numbers) > 1 else ''} {shown}"


def chooser(
    objective: Objective, rows: NDArray[np.int64], axis: int = 0
) -> Callable[[Array], Array]:
    """A function that picks these rows of an array, whose examples are on this axis."""
    index = objective.model.asarray(rows)
    return lambda leaf: objective.arrays.take(leaf, index, axis=axis)


def replace_rows(
    objective: Objective, old: Tree, new: Tree, rows: NDArray[np.int64], axis: int = 0
) -> Tree:
    """`old` with its `rows` taken from `new`, without writing into either."""
    index = np.arange(objective.count)
    index[rows] = objective.count + np.arange(len(rows))
    choose = chooser(objective, index, axis)
    return map_leaves(choose, concat([old, new], objective.arrays, axis))
