"""What was found for the blocks of an explanation becomes an attribution."""

from collections.abc import Sequence
from functools import partial
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from backlight.attribution.attribution import Attribution
from backlight.explaining.explanation import Explanation
from backlight.explaining.measured import Measured, joined
from backlight.explaining.spatial import grid_at, layouts
from backlight.model.model import Model
from backlight.values.arrays import Array
from backlight.values.inputs import Inputs
from backlight.values.layout import Layout
from backlight.values.tree import Tree, leaves, map_leaves


def finish(
    explanation: Explanation,
    found: Sequence[Measured],
    *,
    x: object,
    method: str,
    seed: int | None,
    seconds: float,
) -> Attribution[Any]:
    """The attribution of what was found for the blocks, with all that is to be said about it.

    Args:
        x: the inputs as the user gave them: values come as they came.
        method: the technique, as it is to be shown.
        seed: of what it drew, if it draws.
        seconds: how long it took.

    Raises:
        NoGradientError: no gradient reaches anything of what is explained.
    """
    objective, first = explanation.objective, explanation.first
    model, score = objective.model, objective.target
    result = joined(found, model)
    grid = grid_at(first) if explanation.spatial else None
    notes = explanation.notes(result)
    (ids,) = explanation.ids
    places: tuple[Layout | None, ...] = (None,)
    if explanation.lookups is not None:
        places = tuple(one.layout for one in explanation.inputs.values())
    elif ids is None:
        told = explanation.inputs_at(grid)
        places = layouts(first, found[0].values, explanation.spatial)
        if [one.kind for one in told] == ["table"] * len(places):
            places = (None,) * len(places)

    def given(tree: Tree | None) -> Any:
        """As it is returned: what belongs to an id summed over its vector."""
        if tree is None:
            return None
        whole = tree
        if explanation.lookups is not None:
            whole = explanation.lookups.summed(tree, model.arrays)
        elif ids is not None:
            whole = map_leaves(partial(model.arrays.sum, axis=-1), tree)
        return returned_like(x, whole, model)

    return Attribution(
        values=given(result.values),
        score=result.score,
        baseline_score=result.baseline_score,
        gap=result.gap,
        error=result.error,
        standard_error=given(result.standard_error),
        standard_error_of_sum=result.standard_error_of_sum,
        r_squared=result.r_squared,
        each=given(result.each),
        method=method,
        target=repr(score),
        classes=score.classes,
        rivals=score.rivals,
        predicted=explanation.predicted,
        at=objective.at,
        grid=None if grid is None else grid.shape,
        seed=seed,
        framework=model.framework,
        framework_version=model.version,
        warnings=notes,
        seconds=seconds,
        layouts=places,
        class_names=explanation.class_names,
        inputs=explanation.inputs_at(grid),
        unit=score.unit,
    )


def returned_like(x: object, values: Tree, model: Model) -> object:
    """NumPy in, NumPy out (in the dtype that came in, if it was a float of 32 bits or more); else, and
    where they are to be differentiated, as they are."""
    given = x.attributed if isinstance(x, Inputs) else x
    first: object = leaves(cast(Tree, given))[0]
    if model.attached or (model.owns(first) and not isinstance(first, np.ndarray)):
        return values
    floating = isinstance(first, np.ndarray) and first.dtype.kind == "f" and first.itemsize >= 4
    dtype = cast(NDArray[Any], first).dtype if floating else None

    def host(leaf: Array) -> Array:
        array = model.to_numpy(leaf)
        return cast(Array, array if dtype is None else array.astype(dtype, copy=False))

    return map_leaves(host, values)
