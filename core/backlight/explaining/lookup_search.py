"""Where ids beside numbers, or columns of ids, become vectors: found by what the sites of a net do.

A table has inputs of numbers and of categories, and a category of each column is looked up at a site of
its own, or those of all columns at one; or at several, as where a table of weights is beside one of
vectors. A site is a lookup if its value changes with those ids alone, and the same id has the same vector
there.
"""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress

import numpy as np
from numpy.typing import NDArray

from backlight.errors import BacklightError
from backlight.explaining.asked_ids import AskedIds, Ids
from backlight.explaining.embedding import (
    differing,
    is_lookup,
    others,
    picked_names,
    toggled,
)
from backlight.explaining.rows import take_rows
from backlight.explaining.structure import UnknownStructure, form, net_structure
from backlight.explaining.token_ids import IDS, leaves_by_name, whole_inputs
from backlight.model.model import Model
from backlight.values.inputs import Inputs
from backlight.values.lookups import Lookup, Lookups
from backlight.values.tree import leaves

COLUMNS = 64
"""Of how many columns each is tried by itself, at most: it takes a pass for each."""
ROWS = 8
"""With how many examples it is tried, at most."""

Seen = Mapping[str, NDArray[np.generic]]
"""The values at sites, by their names."""


def lookups(model: Model, inputs: Inputs) -> Lookups | None:
    """Where each input of whole numbers gets its vectors; None where one gets none that are known."""
    given = leaves_by_name(inputs)
    if not model.takes_vectors or not all(map(model.has_numbers, given.values())):
        return None
    key = (tuple(given), form(inputs))
    return model.recall("lookups", key, lambda: search(model, inputs))


def in_several_tables(model: Model, inputs: Inputs, site: str) -> Lookups | None:
    """Where the ids of the only input are looked up, if not at this site alone; None where it is."""
    seen = net_structure(model, inputs, None)
    if len(leaves(inputs.attributed)) > 1 or (
        not isinstance(seen, UnknownStructure) and seen.leads_through(site)
    ):
        return None
    found = lookups(model, inputs)
    return None if found is None or len(found.sites) == 1 else found


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
            asked = AskedIds(model, few, names.index(name))
            one = lookup(asked, candidates(asked))
        if one is None:
            return None
        found.append(one)
    return with_all_tables(model, few, Lookups(tuple(found)))


def with_all_tables(model: Model, inputs: Inputs, found: Lookups) -> Lookups:
    """The same, and where else ids are looked up: of what the graph says is picked from a table, what has
    other vectors for other ids although those that are known stay."""
    seen = net_structure(model, inputs, None)
    if isinstance(seen, UnknownStructure):
        return found

    def is_all(one: Lookup) -> bool:
        return seen.leads_through(*one.sites, source=one.position)

    def another(found: Lookups, asked: AskedIds, names: Sequence[str]) -> Lookup | None:
        with suppress(BacklightError):  # not every net can be given vectors, nor has other ids
            asked = asked.knowing(found)
            graph = asked.model.graph(asked.inputs)
            there = () if graph is None else graph.sites
            return lookup_among([one for one in names if one in there], asked)
        return None

    for at, one in enumerate(found.each):
        if is_all(one):
            continue
        asked = AskedIds(model, inputs, one.position)
        picked, _ = candidates(asked)
        while not is_all(found.each[at]):
            more = another(found, asked, picked)
            if more is None:
                break
            if found.each[at].is_beside(more):
                found = found.with_more(more)
                continue
            # One is of all ids, and the other of a column: those of columns alone can be put together.
            columns = candidates(asked, by_column=True)
            first, (picked, _) = lookup(asked, columns), columns
            if first is None:
                break
            found = found.with_instead(first)
    return found


def candidates(asked: AskedIds, by_column: bool = False) -> tuple[Sequence[str], Sequence[str]]:
    """The names of the values that may be the vectors of the ids of this input, or of a column of them
    (or of that alone): what the graph says is picked from a table, and sites."""
    model, inputs, shape = asked.model, asked.inputs, asked.own.shape
    shapes = (shape[:1],) if by_column else (shape, shape[:1])
    seen = net_structure(model, inputs, None)
    picked: list[str] = []
    if not isinstance(seen, UnknownStructure):
        picked = [one for each in shapes for one in picked_names(seen, each)]
    return picked, [one.name for one in model.sites(inputs) if one.shape[:-1] in shapes]


def lookup(asked: AskedIds, names: Iterable[Sequence[str]]) -> Lookup | None:
    """Where the ids of this input become vectors: at one site, or at one for each column. Of what the
    graph says is picked from a table; else of the sites, of which another one may do as well."""
    each = (lookup_among(sites, asked) for sites in names)
    return next((found for found in each if found is not None), None)


def lookup_among(sites: Sequence[str], asked: AskedIds) -> Lookup | None:
    """Which of these sites it is."""
    own, position = asked.own, asked.position

    def seen(given: Inputs) -> Seen:
        values = zip(sites, asked.model.activations(given, sites), strict=True)
        return {site: asked.model.to_numpy(leaves(value)[0]) for site, value in values}

    def seen_with(ids: Ids) -> Seen:
        return seen(asked.with_ids(ids))

    if not sites:
        return None
    first, beside = seen(asked.inputs), seen(asked.others_changed())
    first = {
        site: value for site, value in first.items() if not differing(value, beside[site]).any()
    }
    tried = [own, *others(own)]
    values = [first, *map(seen_with, tried[1:])]
    for site, value in first.items():
        vectors = np.concatenate([one[site] for one in values])
        if value.shape[:-1] == own.shape and is_lookup(np.concatenate(tried), vectors):
            return Lookup(position, (site,), value.shape[-1:])
    if own.ndim != 2 or own.shape[1] > COLUMNS or asked.name in IDS:
        return None
    columns, other = np.arange(own.shape[1]), toggled(own)
    moved = [seen_with(np.where(columns == column, other, own)) for column in columns]
    found = lookup_by_column(position, own, other, first, moved)
    if found is None or found.columns is None or asked.known is not None:
        return found
    return found if len(found.columns) == len(columns) else None


def lookup_by_column(
    position: int, own: Ids, other: Ids, first: Seen, moved: Sequence[Seen]
) -> Lookup | None:
    """Where each column of ids (N, C) has vectors of its own: at one site of shape (N, C, D), or at one
    of shape (N, D) for each of those that have any.

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
    if not alone:
        return None
    told = tuple(sorted(alone))
    sites = tuple(alone[column] for column in told)
    return Lookup(position, sites, tuple(first[site].shape[-1] for site in sites), told)
