"""Whether an example's outputs depend on what others there are, as seen by running the net."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backlight.errors import ModelError
from backlight.explaining.rows import take_rows
from backlight.model.model import Model
from backlight.values.arrays import Array, shape_of
from backlight.values.inputs import Inputs
from backlight.values.tree import map_nested


def order_matters(model: Model, inputs: Inputs) -> bool:
    """Whether these four examples have other outputs where they come in another order, and the same ones
    in the same order; as if they had, where numbers are not known yet. Costs two forward passes, or
    three."""
    if not all(map(model.has_numbers, outputs_of_rows(model, inputs, np.arange(4)))):
        return True

    def outputs(order: NDArray[np.int64]) -> list[NDArray[np.generic]]:
        back = np.argsort(order)
        return [one[back] for one in numbers_of_rows(model, inputs, order)]

    order, other = np.arange(4), np.array([2, 3, 1, 0])  # which no flip and no roll goes with
    first, second = outputs(order), outputs(other)
    return differ(first, second) and not differ(first, outputs(order))


def mates_matter(model: Model, inputs: Inputs) -> bool:
    """Whether the first example has other outputs beside others than alone and the same ones in the same
    company, or only all examples can be run. Costs two forward passes, or three; none for one example,
    which has no others.

    Raises:
        ModelError: they cannot be run together either.
    """
    rows = np.arange(min(4, inputs.count))
    if len(rows) == 1:
        return False

    def outputs(rows: NDArray[np.int64]) -> list[NDArray[np.generic]]:
        return [one[:1] for one in numbers_of_rows(model, inputs, rows)]

    try:
        alone, beside = outputs(rows[:1]), outputs(rows)
    except ModelError:
        outputs(np.arange(inputs.count))  # what fails with all examples too is raised
        return True  # it takes no other number of them
    return differ(alone, beside) and not differ(beside, outputs(rows))


def numbers_of_rows(
    model: Model, inputs: Inputs, rows: NDArray[np.int64]
) -> list[NDArray[np.generic]]:
    """The floating-point outputs that have a row for each of these examples."""
    numbers = map(model.to_numpy, outputs_of_rows(model, inputs, rows))
    return [one for one in numbers if one.dtype.kind in "fc"]


def outputs_of_rows(model: Model, inputs: Inputs, rows: NDArray[np.int64]) -> list[Array]:
    """The outputs that have a row for each of these examples."""
    found: list[Array] = []
    map_nested(found.append, model.predict(take_rows(model, inputs, rows)))
    arrays = [
        leaf for leaf in found if hasattr(leaf, "shape")
    ]  # a cache of keys and values is none
    return [leaf for leaf in arrays if shape_of(leaf)[:1] == (len(rows),)]


def differ(one: Sequence[NDArray[Any]], other: Sequence[NDArray[Any]]) -> bool:
    """Whether these outputs are not the same, by more than rounding."""
    return len(one) != len(other) or not all(
        np.allclose(a, b, 1e-3, 1e-4 * np.abs(a).max(initial=0.0), True)
        for a, b in zip(one, other, strict=True)
    )
