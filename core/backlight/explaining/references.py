"""From what the user said for a baseline to native arrays that stand for "nothing there"."""

from collections.abc import Callable
from typing import cast

import numpy as np
from numpy.typing import NDArray

from backlight.errors import HyperParameterError, InputError
from backlight.explaining.baseline_functions import computed
from backlight.explaining.native_baselines import baseline_parts, like_the_value, native
from backlight.model.model import Model
from backlight.values.arrays import Array, shape_of
from backlight.values.baselines import BaselineFunction, Several, is_function
from backlight.values.layout import Layout
from backlight.values.made_baselines import NAMED, MadeBaseline
from backlight.values.token_baseline import TokenBaseline
from backlight.values.tree import Tree, leaves, rebuild


def references_of(
    baseline: object,
    value: Tree,
    model: Model,
    rows: NDArray[np.int64],
    total: int,
    layout_of: Callable[[Array], Layout | None],
    of_token: Callable[[TokenBaseline, int | None], Tree],
) -> list[Tree]:
    """The baselines for a value, each with axis 0 of length 1 where all examples share it.

    Args:
        baseline: one or `Several`, for all arrays of the value, or nested as they are.
        value: what is explained, shape (N, ...).
        model: whose arrays these are.
        rows: where these examples are in the user's batch.
        total: how many examples that has.
        layout_of: where an array of the value has its places.
        of_token: the value with a token in the place of others, or only the array of this number.

    Raises:
        InputError: it is no number and no array, or of another shape or structure, or cannot be made.
        HyperParameterError: a name that is none here.
    """
    if isinstance(baseline, Several):
        return [
            reference
            for one in baseline.values
            for reference in references_of(one, value, model, rows, total, layout_of, of_token)
        ]
    if isinstance(baseline, TokenBaseline):
        return [of_token(baseline, None)]
    if is_function(baseline):
        return [computed(cast(BaselineFunction, baseline), value, model)]

    def of_leaf(number: int, part: object, leaf: Array) -> list[Array]:
        if isinstance(part, TokenBaseline):
            return leaves(of_token(part, number))
        if isinstance(part, str) and part not in NAMED:
            raise HyperParameterError(
                "A baseline by name is 'blur' or 'mean' or, where a technique hides features entirely, "
                f"'neighbours'; got {part!r}."
            )
        maker = NAMED[part] if isinstance(part, str) else part
        if isinstance(maker, MadeBaseline):
            return made(maker, leaf, model, layout_of(leaf), rows)
        if is_function(part):
            return leaves(computed(cast(BaselineFunction, part), leaf, model))
        return [given(part, leaf, model, rows, total)]

    each = zip(baseline_parts(baseline, value), leaves(value), strict=True)
    columns = [of_leaf(number, part, leaf) for number, (part, leaf) in enumerate(each)]
    count = max(map(len, columns))
    if any(len(column) not in (1, count) for column in columns):
        raise InputError(
            f"The inputs have {', '.join(str(len(column)) for column in columns)} baselines for each "
            "example: say as many samples for each."
        )
    return [
        rebuild(value, [column[number % len(column)] for column in columns])
        for number in range(count)
    ]


def given(
    baseline: object, leaf: Array, model: Model, rows: NDArray[np.int64], total: int
) -> Array:
    """A number, or an array, for one array of the value."""
    array = native(baseline, leaf, model)
    shape, wanted = shape_of(array), shape_of(leaf)
    shared = (1, *wanted[1:])
    if array.ndim == 0:
        return model.arrays.broadcast_to(array, shared)
    if shape == (total, *wanted[1:]) and (shape[0] != 1):
        return model.arrays.take(array, model.asarray(rows), axis=0)
    if shape == wanted[1:]:
        return model.arrays.expand_dims(array, axis=0)
    if shape != shared:
        raise InputError(
            f"A baseline must be a number, or an array of shape {wanted[1:]}, {shared} "
            f"or {(total, *wanted[1:])}; got shape {shape}. "
            "For several baselines per example use Several([...])."
        )
    return array


def made(
    maker: MadeBaseline,
    leaf: Array,
    model: Model,
    layout: Layout | None,
    rows: NDArray[np.int64],
) -> list[Array]:
    """What is made of the examples, a row for each."""
    found = maker.of(model.to_numpy(leaf), layout, rows)
    if not len(found):
        raise InputError(f"{maker!r} made no baseline at all; at least one is needed.")
    return [like_the_value(one, leaf, model, repr(maker)) for one in found]
