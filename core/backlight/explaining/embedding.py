"""Where ids become vectors: the site that stands for an input of whole numbers, which has no gradient.

It is looked for among the sites whose value has a vector for each id, then among the values that the
graph says are picked from a table, and found by what it does: the same id gives the same vector wherever
it stands, and another id another vector. So what adds positions or segments, or looks at neighbours, is
none.
"""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from math import prod

import numpy as np
from numpy.typing import NDArray

from backlight.errors import BacklightError
from backlight.explaining.structure import NetStructure, UnknownStructure, net_structure
from backlight.explaining.token_ids import host_ids, leaves_by_name, with_ids
from backlight.graph.graph import DType
from backlight.graph.picked import picked_from_tables
from backlight.model.model import Model
from backlight.values.arrays import shape_of
from backlight.values.inputs import Inputs


def embedding(model: Model, inputs: Inputs, ids: str) -> str | None:
    """The name of the first site that gives each id its vector; None where none does."""
    given = leaves_by_name(inputs)
    form = tuple((name, len(shape_of(leaf))) for name, leaf in given.items())
    # What is said of one id alone was not seen of several.
    alone = tuple(length == 1 for length in shape_of(given[ids]))
    return model.recall("embedding", (ids, form, alone), lambda: search(model, inputs, ids))


def search(model: Model, inputs: Inputs, ids: str) -> str | None:
    own = host_ids(model, inputs, ids)
    with suppress(BacklightError):  # the net may want an end in each text
        return found_by(model, inputs, ids, [own, *others(own)])
    return found_by(model, inputs, ids, [own, shuffled(own)])


def found_by(
    model: Model, inputs: Inputs, ids: str, tried: Sequence[NDArray[np.integer]]
) -> str | None:
    """The name of the site at which each id has one vector, whichever of these ids are given.

    Args:
        tried: the own ids, and others.
    """
    own = tried[0]
    given = [inputs, *(with_ids(model, inputs, ids, one) for one in tried[1:])]
    for name, picked in candidates(model, inputs, own.shape):
        vectors = np.concatenate([model.to_numpy(model.array_at(one, name)) for one in given])
        maybe_mask = not picked and bool((vectors == vectors[..., :1]).all())
        if not maybe_mask and is_lookup(np.concatenate(tried), vectors):
            return name
    return None


def others(ids: NDArray[np.integer]) -> list[NDArray[np.integer]]:
    """Ids by which lookups are told from other values: the same one everywhere, for which what adds
    positions to vectors gives several; and every second one changed in each example, so that what looks
    at neighbours gives several for those that are left. Any table of two rows has them.
    """
    places = np.arange(ids[0].size).reshape(ids.shape[1:])
    return [np.zeros_like(ids), np.where(places % 2 == 0, toggled(ids), ids)]


def toggled(ids: NDArray[np.integer]) -> NDArray[np.integer]:
    """Ids of which each is another one, 0 or 1."""
    return np.where(ids == 0, 1, 0).astype(ids.dtype)


def candidates(model: Model, inputs: Inputs, shape: tuple[int, ...]) -> Iterator[tuple[str, bool]]:
    """The names of values that may have a vector for each id, and whether the graph says that they are
    picked from a table. The graph takes longer, and is asked where no site has them; but of one id alone
    any value would pass for its vector.

    Args:
        shape: of the ids, (N, ...).
    """
    sites = [
        (site.name, False)
        for site in model.sites(inputs)
        if site.shape[:-1] == shape and len(site.shape) > len(shape)
    ]
    several = prod(shape[1:]) > 1
    if several:
        yield from sites
    seen = net_structure(model, inputs, None)
    if isinstance(seen, UnknownStructure):
        yield from () if several else sites
    else:
        yield from ((name, True) for name in picked_names(seen, shape))


def picked_names(seen: NetStructure, shape: tuple[int, ...]) -> Iterator[str]:
    """The names of the values that the graph says are picked by the ids, in order."""
    graph, axes = seen.graph, seen.axes
    names = {value: name for name, value in reversed(graph.sites.items())}
    for value in picked_from_tables(seen.flow):
        fits = graph.shape(value)[1:-1] == shape[1:]
        if value in names and fits and axes[value][:1] == axes[graph.sources[0]][:1]:
            yield names[value]


def no_vectors(model: Model, inputs: Inputs) -> str:
    """What is to be said of ids where no site gives each its vector, as a clause."""
    advice = "hide them, which takes no gradient: method='feature_ablation'"
    seen = net_structure(model, inputs, None)
    if not isinstance(seen, UnknownStructure):
        (examples, *_), flow = seen.axes[seen.graph.sources[0]], seen.flow
        for value, node in picked_from_tables(flow).items():
            read = [one for one in node.operands if one in flow.touched]
            if any(flow.values[one].dtype is DType.INTEGER for one in read):
                at, axes = node.place or node.type, seen.axes[value]
                how = (
                    f"with the examples on axis {axes.index(examples)}, where no site can have them"
                    if examples in axes[1:]
                    else "which gives none for each id by itself, as a sum over them does"
                )
                return f"the vectors of token ids are made at {at!r}, {how}: {advice}"
    return f"token ids have no vector each in this net that a gradient could be taken at: {advice}"


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
    return varied and not differing(table[which.ravel()], rows).any()


def differing(one: NDArray[np.generic], other: NDArray[np.generic]) -> NDArray[np.bool_]:
    """Where values are not the same: NaN, which JAX gives for an id beyond its table, is."""
    return np.asarray((one != other) & ((one == one) | (other == other)))


def shuffled(
    ids: NDArray[np.integer], apart: NDArray[np.bool_] | None = None
) -> NDArray[np.integer]:
    """The ids of each example in reverse order, the first replaced by the next other one, so that not
    only places change, but neighbours; where there is no other, by 1, or 0.

    Args:
        apart: which keep their places.
    """
    found = ids.reshape(len(ids), -1).copy()
    kept = np.zeros(found.shape, dtype=bool) if apart is None else apart.reshape(found.shape)
    for given, moves in zip(found, ~kept, strict=True):
        moving = given[moves]
        others = moving[moving != moving[:1]]
        moving[:1] = others[0] if others.size else moving[:1] != 1
        given[moves] = moving[::-1]
    return found.reshape(ids.shape)
