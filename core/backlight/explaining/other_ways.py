"""Whether ids reach the score by another way than their vectors, as a mask or positions made of them do:
values of vectors do not hold that."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from backlight.explaining.asked_ids import Ids
from backlight.explaining.completeness import listed
from backlight.explaining.embedding import shuffled, toggled
from backlight.explaining.objective import Objective
from backlight.explaining.token_ids import host_ids, leaves_by_name, padding, with_ids
from backlight.values.inputs import Inputs
from backlight.values.lookups import Lookups

SAME = 1e-4
"""The change of a score, as a share of it, that is taken for rounding."""


def ids_elsewhere(objective: Objective, ids: str) -> tuple[str, ...]:
    """What is to be said where ids reach the score by another way than the objective's site.

    Where the graph shows other ways, they are tried with these ids each time: whether they tell anything
    hangs on what ids there are, as where a mask is made of one. Ids that stand for padding are left
    alone: those are 0, or wherever another input, a mask, is.
    """
    model, inputs, score = objective.model, objective.inputs, objective.target
    if objective.structure is not None and objective.structure.leads_through(str(objective.at)):
        return ()
    own = host_ids(model, inputs, ids)
    apart = (own == 0) | padding(model, inputs, own.shape)
    value = model.activation(inputs, str(objective.at))
    before, after = (
        np.asarray(model.to_numpy(model.score(given, score, at=objective.at, value=value)))
        for given in (inputs, with_ids(model, inputs, ids, shuffled(own, apart)))
    )
    return another_way(ids, (str(objective.at),), before, after)


def told_elsewhere(objective: Objective, found: Lookups) -> tuple[str, ...]:
    """What is to be said where ids reach the score by another way than their vectors."""
    model, inputs = objective.model, objective.inputs
    given = found.without(inputs)
    names = list(leaves_by_name(given))

    def score(inputs: Inputs) -> NDArray[np.generic]:
        return model.to_numpy(model.score(inputs, objective.target))

    before, notes = score(inputs), list[str]()
    for one in found.each:
        name = names[one.position]
        ids = few_others(host_ids(model, given, name), one.columns is not None)
        after = score(found.with_ids(inputs, one.position, model.asarray(ids)))
        notes += another_way(name, one.sites, before, after)
    return tuple(notes)


def few_others(ids: Ids, by_column: bool) -> Ids:
    """Other ids, each 0 or 1, which any table has. Those that are 0, as of padding, are left alone, but
    not where all are 0 or 1 (in a column, where each has a table of its own)."""
    binary = ids.max(axis=0 if by_column else None, keepdims=True) <= 1
    return np.where(binary, toggled(ids), ids != 0).astype(ids.dtype)


def another_way(
    ids: str, sites: Sequence[str], before: NDArray[np.generic], after: NDArray[np.generic]
) -> tuple[str, ...]:
    """What is to be said of ids where other ones change the score though their vectors stay.

    Args:
        ids: the input.
        sites: where its vectors are.
        before, after: the scores, (N,), with the own ids and with others.
    """
    one, other = before.astype(np.float64), after.astype(np.float64)
    if (np.abs(other - one) <= SAME * np.abs(one) + SAME).all():
        return ()
    return (
        f"The ids {ids!r} tell the score by another way than {listed(list(map(repr, sites)))} too, as a "
        "mask or positions made of them do: that is not in these values.",
    )
