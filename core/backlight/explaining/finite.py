"""Attributions that are not numbers are reported, with the place where they began, never drawn."""

import numpy as np
from numpy.typing import NDArray

from backlight.errors import BacklightError, NonFiniteError
from backlight.explaining.objective import Objective
from backlight.model.model import Model
from backlight.values.arrays import Array
from backlight.values.tree import Tree, leaves


def check_finite(
    method: object, objective: Objective, values: Tree, score: NDArray[np.float64]
) -> None:
    """Raise NonFiniteError if an example's attribution or score (N,) is NaN or infinite."""
    bad = set(np.flatnonzero(~np.isfinite(score)).tolist())
    for leaf in leaves(values):
        if not finite(objective.model, leaf):
            host = objective.model.to_numpy(leaf).reshape(objective.count, -1)
            bad.update(np.flatnonzero(~np.isfinite(host).all(axis=1)).tolist())
    if not bad:
        return
    rows = objective.rows[sorted(bad)].tolist()
    raise NonFiniteError(
        f"{type(method).__name__} gave NaN or infinity for example{'s' if len(rows) > 1 else ''} "
        f"{', '.join(map(str, rows[:10]))}{' ...' if len(rows) > 10 else ''}. {beginning(objective)}"
    )


def finite(model: Model, array: Array) -> bool:
    return bool(model.to_numpy(model.arrays.all(model.arrays.isfinite(array))))


def beginning(objective: Objective) -> str:
    """Where the numbers stopped being finite: the inputs, a site's value, or a site's gradient."""
    model, inputs = objective.model, objective.inputs
    for position, leaf in enumerate(leaves(inputs.attributed)):
        if model.is_floating(leaf) and not finite(model, leaf):
            if model.lookups is not None and model.lookups.at(position) is not None:
                return "The vectors of its ids are not finite: has its table a row for each?"
            return "The inputs themselves are not finite."
    try:
        sites = model.sites(inputs)
        for site in sites:
            if not finite(model, model.array_at(inputs, site.name)):
                return f"The model's own values stop being finite at the site {site.name!r}."
        for site in reversed(sites):
            (gradient,) = leaves(model.gradient(inputs, objective.target, at=site.name).gradient)
            if not finite(model, gradient):
                return (
                    f"The gradient stops being finite at the site {site.name!r}, going backwards."
                )
    except BacklightError as error:
        return f"Where it began could not be told: {error}"
    return "It began between the input and the first site, or along the technique's path."
