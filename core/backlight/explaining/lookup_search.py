"""Where ids beside numbers, or columns of ids, become vectors: found by what the sites of a net do.

A table has inputs of numbers and of categories, and a category of each column is looked up at a site of
its own, or those of all columns at one. A site is a lookup if its value changes with those ids alone, and
the same id has the same vector there.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress

import numpy as np
from numpy.typing import NDArray

from backlight.errors import BacklightError
from backlight.explaining.embedding import (
    another_way,
    differing,
    is_lookup,
    others,
    picked_names,
    toggled,
)
from backlight.explaining.objective import Objective
from backlight.explaining.rows import take_rows
from backlight.explaining.structure import UnknownStructure, form, net_structure
from backlight.explaining.token_ids import IDS, host_ids, leaves_by_name, whole_inputs, with_ids
from backlight.model.model import Model
from backlight.values.arrays import Array
from backlight.values.inputs import Inputs
from backlight.values.lookups import Lookup, Lookups
from backlight.values.tree import concat, leaves, map_leaves

COLUMNS = 64
"""Of how many columns each is tried by itself, at most: it takes a pass for each."""
ROWS = 8
"""With how many examples it is tried, at most."""

Ids = NDArray[np.integer]
Seen = Mapping[str, NDArray[np.generic]]
"""The values at sites, by their names."""


def lookups(model: Model, inputs: Inputs) -> Lookups | None:
    """Where each input of whole numbers gets its vectors; None where one gets none that are known."""
    given = leaves_by_name(inputs)
    if not model.takes_vectors or not all(map(model.has_numbers, given.values())):
        return None
    key = (tuple(given), form(inputs))
    return model.recall("lookups", key, lambda: search(model, inputs))


def search(model: Model, inputs: Inputs) -> Lookups | None:
    few = take_rows(model, inputs, np.arange(min(inputs.count, ROWS)))
    whole = whole_inputs(model, few)
    if any(model.to_numpy(leaf).dtype.kind not in "iub" for leaf in whole.values()):
        return None
    model.outputs(few)  # what fails with the user's own ids is raised
    names, found = list(leaves_by_name(few)), list[Lookup]()
    for name in whole:
        one = None
        with suppress(BacklightError):  # the net may have no row for ids that are tried
            one = lookup(model, few, name, names.index(name))
        if one is None:
            return None
        found.append(one)
    return Lookups(tuple(found))


def lookup(model: Model, inputs: Inputs, name: str, position: int) -> Lookup | None:
    """Where the ids of this input become vectors: at one site, or at one for each column. Of what the
    graph says is picked from a table; else of the sites, of which another one may do as well."""
    own = host_ids(model, inputs, name)
    shapes = (own.shape, own.shape[:1])
    seen = net_structure(model, inputs, None)
    picked: list[str] = []
    if not isinstance(seen, UnknownStructure):
        picked = [one for shape in shapes for one in picked_names(seen, shape)]
    sites = [site.name for site in model.sites(inputs) if site.shape[:-1] in shapes]
    each = (lookup_among(names, model, inputs, name, position) for names in (picked, sites))
    return next((found for found in each if found is not None), None)


def lookup_among(
    sites: Sequence[str], model: Model, inputs: Inputs, name: str, position: int
) -> Lookup | None:
    """Which of these sites it is."""
    own = host_ids(model, inputs, name)

    def seen(given: Inputs) -> Seen:
        values = zip(sites, model.activations(given, sites), strict=True)
        return {site: model.to_numpy(leaves(value)[0]) for site, value in values}

    def seen_with(ids: Ids) -> Seen:
        return seen(with_ids(model, inputs, name, ids))

    if not sites:
        return None
    first, beside = seen(inputs), seen(others_changed(model, inputs, name))
    first = {
        site: value for site, value in first.items() if not differing(value, beside[site]).any()
    }
    tried = [own, *others(own)]
    values = [first, *map(seen_with, tried[1:])]
    for site, value in first.items():
        vectors = np.concatenate([one[site] for one in values])
        if value.shape[:-1] == own.shape and is_lookup(np.concatenate(tried), vectors):
            return Lookup(position, (site,), value.shape[-1:])
    if own.ndim != 2 or own.shape[1] > COLUMNS or name in IDS:
        return None
    columns, other = np.arange(own.shape[1]), toggled(own)
    moved = [seen_with(np.where(columns == column, other, own)) for column in columns]
    return lookup_by_column(position, own, other, first, moved)


def lookup_by_column(
    position: int, own: Ids, other: Ids, first: Seen, moved: Sequence[Seen]
) -> Lookup | None:
    """Where each column of ids (N, C) has vectors of its own: at one site of shape (N, C, D), or at one
    of shape (N, D) for each.

    Args:
        position: of the input.
        own, other: ids.
        first: what is seen with the own ones.
        moved: what is seen where one column has the others, column by column.
    """
    columns = range(own.shape[1])

    def changed(site: str, column: int) -> NDArray[np.bool_]:
        """Where the value changes with the column, of all its axes but the last."""
        return np.asarray(differing(moved[column][site], first[site]).any(axis=-1))

    def looks_up(column: int, before: NDArray[np.generic], after: NDArray[np.generic]) -> bool:
        ids = np.concatenate([own[:, column], other[:, column]])
        return is_lookup(ids, np.concatenate([before, after]))

    alone: dict[int, str] = {}
    for site, value in first.items():
        if value.ndim == 3:
            if all(
                not np.delete(changed(site, column), column, axis=1).any()
                and looks_up(column, value[:, column], moved[column][site][:, column])
                for column in columns
            ):
                return Lookup(position, (site,), value.shape[-1:])
            continue
        telling = [column for column in columns if changed(site, column).any()]
        if len(telling) == 1 and looks_up(telling[0], value, moved[telling[0]][site]):
            alone.setdefault(telling[0], site)
    if len(alone) < len(columns):
        return None
    sites = tuple(alone[column] for column in columns)
    return Lookup(position, sites, tuple(first[site].shape[-1] for site in sites), True)


def others_changed(model: Model, inputs: Inputs, name: str) -> Inputs:
    """The same inputs with other numbers, and other ids, in all but this one."""
    found = inputs
    for other, leaf in leaves_by_name(inputs).items():
        if other != name and not model.is_floating(leaf):
            found = with_ids(model, found, other, toggled(host_ids(model, inputs, other)))

    def changed(leaf: Array) -> Array:
        return leaf * 1.5 + 0.25 if model.is_floating(leaf) else leaf

    return found.with_attributed(map_leaves(changed, found.attributed))


def with_vectors(
    model: Model, inputs: Inputs, found: Lookups, rows: Sequence[NDArray[np.int64]]
) -> Inputs:
    """The inputs with the vectors of their ids, computed in blocks of these rows."""
    parts = [model.activations(take_rows(model, inputs, one), found.sites) for one in rows]
    whole = [concat(each, model.arrays) for each in zip(*parts, strict=True)]
    values = {site: leaves(one)[0] for site, one in zip(found.sites, whole, strict=True)}
    return found.put_in(inputs, values, model.arrays)


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
        ids = few_others(host_ids(model, given, name), one.by_column)
        after = score(found.with_ids(inputs, one.position, model.asarray(ids)))
        notes += another_way(name, one.sites, before, after)
    return tuple(notes)


def few_others(ids: Ids, by_column: bool) -> Ids:
    """Other ids, each 0 or 1, which any table has. Those that are 0, as of padding, are left alone, but
    not where all are 0 or 1 (in a column, where each has a table of its own)."""
    binary = ids.max(axis=0 if by_column else None, keepdims=True) <= 1
    return np.where(binary, toggled(ids), ids != 0).astype(ids.dtype)
