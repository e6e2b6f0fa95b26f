"""The values of one input, with what is known of it: what every plot begins with."""

from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from backlight import Attribution
from backlight.attribution.attribution import host_arrays
from backlight.attribution.described import DescribedInput, kind_of
from backlight.attribution.table import beside, column_names, is_table
from backlight.errors import HyperParameterError, InputError, UnknownNameError, is_whole, shown
from backlight.values.layout import Layout
from backlight.values.tree import leaves, names


@final
@dataclass(frozen=True, eq=False)
class InputValues:
    """What is drawn of one input.

    Attributes:
        values: float64, (N, ...), all of them finite.
        input: what they belong to.
        layout: where they have channels and places; None where they have none.
        standard_error: of the values, shaped like them; None where no samples were drawn.
    """

    values: NDArray[np.float64]
    input: DescribedInput
    layout: Layout | None
    standard_error: NDArray[np.float64] | None

    def given(self, example: int) -> NDArray[np.generic] | None:
        """The input's own numbers of one example, (...); None where they were not kept."""
        kept = self.input.given
        return None if kept is None or example >= len(kept) else kept[example]


def values_of(attribution: Attribution[Any], input: str | None = None) -> InputValues:
    """
    Args:
        input: which, by name; None for the only one, or for the columns of several tables.

    Raises:
        InputError: there are several inputs and none is named, or values that are no finite numbers.
        UnknownNameError: there is no such input.
    """
    tree = attribution.numpy()
    known, arrays = names(tree), leaves(tree)
    if input is None and len(known) > 1 and attribution.inputs and is_table(tree):
        return side_by_side(attribution)
    if input is None and len(known) > 1:
        raise InputError(
            f"The attribution is of the inputs {', '.join(known)}: say which is drawn, "
            f"input={known[0]!r}."
        )
    if input is not None and input not in known:
        raise UnknownNameError("input of this attribution", input, known)
    number = 0 if input is None else known.index(input)
    array = checked(np.asarray(arrays[number]))
    layout = attribution.layouts[number] if attribution.layouts else None
    described = (
        attribution.inputs[number]
        if attribution.inputs
        else DescribedInput(kind_of(array.shape, layout, whole=False))
    )
    errors = host_arrays(attribution.standard_error)
    error = None if errors is None else np.asarray(leaves(errors)[number], dtype=np.float64)
    return InputValues(array, described, layout, error)


def side_by_side(attribution: Attribution[Any]) -> InputValues:
    """The columns of several tables as those of one."""
    tree, inputs = attribution.numpy(), attribution.inputs
    names = tuple(map(str, column_names(tree, inputs)))
    kept = [one.given for one in inputs if one.given is not None and one.given.dtype.kind in "fiub"]
    count = min(map(len, kept)) if len(kept) == len(inputs) else 0
    given = beside([array[:count] for array in kept]) if count else None
    errors = host_arrays(attribution.standard_error)
    error = None if errors is None else beside(leaves(errors)).astype(np.float64)
    described = DescribedInput("table", names, given=given)
    return InputValues(checked(beside(leaves(tree))), described, None, error)


def checked(array: NDArray[Any]) -> NDArray[np.float64]:
    """Values that can be drawn.

    Raises:
        InputError: they cannot.
    """
    if array.dtype.kind not in "fiu" or not array.size or array.ndim < 2:
        raise InputError(
            f"Values (N, ...) that are numbers can be drawn, got shape {array.shape} of {array.dtype}."
        )
    sound = np.isfinite(array.reshape(len(array), -1)).all(axis=1)
    if not sound.all():
        wrong = shown(np.flatnonzero(~sound).tolist())
        raise InputError(
            f"There is NaN or infinity among the values of examples {wrong}: they cannot be drawn."
        )
    return array.astype(np.float64)


def checked_example(example: int, count: int) -> int:
    """
    Raises:
        InputError: there is no such example.
    """
    if not is_whole(example) or not 0 <= example < count:
        raise InputError(
            f"example must be a whole number from 0 to {count - 1}, got {shown(example)}."
        )
    return int(example)


def checked_most(max_display: int, least: int = 1) -> int:
    """
    Raises:
        HyperParameterError: so little cannot be drawn.
    """
    if not is_whole(max_display) or max_display < least:
        raise HyperParameterError(
            f"max_display must be a whole number from {least}, got {shown(max_display)}."
        )
    return int(max_display)
