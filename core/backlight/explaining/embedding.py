"""Where ids become vectors: the site that stands for an input of whole numbers, which has no gradient.

It is looked for among the sites whose value has a vector for each id, and found by what it does: the same
id gives the same vector wherever it stands, and another id another vector. So what adds positions or
segments, or looks at neighbours, is none.
"""

import numpy as np
from numpy.typing import NDArray

from backlight.explaining.objective import Objective
from backlight.explaining.token_ids import host_ids, leaves_by_name, padding, with_ids
from backlight.model.model import Model
from backlight.values.arrays import shape_of
from backlight.values.inputs import Inputs

SAME = 1e-4
"""The change of a score, as a share of it, that is taken for rounding."""


def embedding(model: Model, inputs: Inputs, ids: str) -> str | None:
    """The name of the first site that gives each id its vector; None where none does."""
    form = tuple((name, len(shape_of(leaf))) for name, leaf in leaves_by_name(inputs).items())
    return model.recall("embedding", (ids, form), lambda: search(model, inputs, ids))


def search(model: Model, inputs: Inputs, ids: str) -> str | None:
    own = host_ids(model, inputs, ids)
    moved = shuffled(own)
    elsewhere = with_ids(model, inputs, ids, moved)
    for site in model.sites(inputs):
        if site.shape[:-1] != own.shape or len(site.shape) != own.ndim + 1:
            continue
        vectors = (
            model.to_numpy(model.array_at(given, site.name)) for given in (inputs, elsewhere)
        )
        if is_lookup(np.concatenate([own, moved]), np.concatenate(list(vectors))):
            return site.name
    return None


def is_lookup(ids: NDArray[np.integer], vectors: NDArray[np.generic]) -> bool:
    """Whether each id has one vector wherever it stands, and not all have the same.

    Args:
        ids: (N, ...).
        vectors: (N, ..., D).
    """
    _, first, which = np.unique(ids, return_index=True, return_inverse=True)
    rows = vectors.reshape(ids.size, -1)
    table = rows[first]
    varied = len(table) > 1 and bool((table != table[0]).any())
    return varied and np.array_equal(table[which.ravel()], rows)


def ids_elsewhere(objective: Objective, ids: str) -> tuple[str, ...]:
    """What is to be said where ids reach the score by another way than the objective's site.

    Ids that stand for padding are left alone: those are 0, or wherever another input, a mask, is.
    """
    model, inputs, score = objective.model, objective.inputs, objective.target
    own = host_ids(model, inputs, ids)
    apart = (own == 0) | padding(model, inputs, own.shape)
    value = model.activation(inputs, str(objective.at))
    before, after = (
        np.asarray(model.to_numpy(model.score(given, score, at=objective.at, value=value)))
        for given in (inputs, with_ids(model, inputs, ids, shuffled(own, apart)))
    )
    if (np.abs(after - before) <= SAME * np.abs(before) + SAME).all():
        return ()
    return (
        f"The ids {ids!r} tell the score by another way than {objective.at!r} too, as a mask or "
        "positions made of them do: that is not in these values.",
    )


def shuffled(
    ids: NDArray[np.integer], apart: NDArray[np.bool_] | None = None
) -> NDArray[np.integer]:
    """The ids of each example in reverse order; where that changes nothing, every other one is 0 or 1.

    Args:
        apart: which keep their places.
    """
    found = ids.copy()
    for row, given in enumerate(ids):
        moves = np.ones(given.shape, dtype=bool) if apart is None else ~apart[row]
        found[row][moves] = given[moves][::-1]
    if np.array_equal(found, ids) and apart is None:
        other = 0 if ids.flat[0] else 1
        found.reshape(len(ids), -1)[:, ::2] = other
    return found
