"""The feature map of a model: the inner site that class activation maps read, and its places.

Where the model gives its graph, both are read off it. Where it gives none, shapes tell what they can: it
is the last site laid out over the input that is not the result of a pooling, and whose places the score's
gradient reaches.
"""

import re
from bisect import bisect_left
from math import prod

from backlight.errors import SiteError
from backlight.explaining.completeness import listed
from backlight.explaining.objective import Objective
from backlight.explaining.structure import UnknownStructure
from backlight.graph.axes.grids import Grid, Line
from backlight.values.arrays import Array, shape_of
from backlight.values.layout import Layout
from backlight.values.tree import Tree, leaves

PADDING = re.compile(r"pad(ding)?(\dd)?$", re.IGNORECASE)
"""Kinds of site that only add an edge, which would shift the map: ZeroPadding2D, ZeroPad2d, pad."""


def last_feature_map(objective: Objective) -> str:
    """The name of the site that class activation maps read by default.

    Raises:
        SiteError: no such site; the message names those that can be read instead, if there are any.
    """
    if objective.structure is not None:
        found = objective.structure.feature_map
        if found is None:
            raise no_feature_map(objective)
        return found.name
    inputs, model = objective.inputs, objective.model
    shape = shape_of(leaves(inputs.attributed)[0])
    # The score matters too: it may be a neuron's, or that of a token other than the class token.
    key = (shape[1:], objective.target.recipe)
    return model.recall("last feature map", key, lambda: _search(objective))


def grid_at(objective: Objective) -> Grid | None:
    """How places of an input, the first that has some, lie in the value at the objective's site; None
    where they do not form a grid there."""
    if objective.at is None:
        return None
    if objective.structure is not None:
        return objective.structure.grids.get(objective.at)
    layout, over = (
        objective.inner_layout(shape_of(leaves(objective.value)[0])),
        objective.input_layout,
    )
    if layout is None or over is None:
        return None
    return by_shapes(layout, over, shape_of(leaves(objective.value)[0]))


def by_shapes(layout: Layout, over: Layout, shape: tuple[int, ...]) -> Grid:
    """A grid whose edges are taken for the input's."""
    channels = len(over.grid) + 1 if over.channel_axis is None else over.channel_axis
    axes = [axis for axis in range(1, len(over.grid) + 2) if axis != channels]
    lines = tuple(
        Line(axis, length, size / length, (size / length - 1) / 2)
        for axis, length, size in zip(axes, layout.grid, over.grid, strict=True)
    )
    rest = shape[1:]
    if layout.tokens:
        tokens = prod(layout.grid)
        starts, lengths = (layout.prefix, 0), (tokens, rest[1])
        return Grid(lines, starts, lengths, (*layout.grid, rest[1]), tuple(range(len(lines) + 2)))
    places = [axis for axis in range(1, len(shape)) if axis != layout.channel_axis]
    others = [axis for axis in range(1, len(shape)) if axis not in places]
    return Grid(lines, (0,) * len(rest), rest, rest, (0, *places, *others))


def notes_at(objective: Objective, chosen: bool) -> tuple[str, ...]:
    """What is to be said about the site that a map is of.

    Args:
        objective: at the site.
        chosen: whether the user has not said which.
    """
    looked = objective.structure_or_reason
    if isinstance(looked, UnknownStructure):
        which = "That the map is of {}, and where" if chosen else "Where"
        advice = " Say which to read: at=..." if chosen else ""
        return (
            f"{which.format(repr(objective.at))} its places are in the input, was told from shapes "
            f"alone: the net could not be looked into, as {looked.why}.{advice}",
        )
    found = looked.feature_map if chosen else None
    if found is None or not found.beside:
        return ()
    return (
        f"The map is of {found.name!r}; {listed(list(map(repr, found.beside)))} beside it can tell the "
        "score too, without passing through it. Say which to read: at=...",
    )


def no_feature_map(objective: Objective) -> SiteError:
    shape = shape_of(leaves(objective.inputs.attributed)[0])
    sites = objective.model.sites(objective.inputs)
    seen = ", ".join(f"{site.name} {site.shape}" for site in sites) or "none"
    return SiteError(
        f"No feature map found for inputs of shape {shape}. {advice(objective)} Sites seen: {seen}."
    )


def _search(objective: Objective) -> str:
    """The site by shapes, for models that give no graph."""
    model = objective.model
    sites = list(model.sites(objective.inputs))
    names = [site.name for site in sites]
    if objective.target.site in names:  # what comes after a neuron does not tell its value
        sites = sites[: names.index(objective.target.site) + 1]
    places = [(site, objective.inner_layout(site.shape)) for site in sites]
    tokens: list[str] = []
    for site, place in reversed(places):
        if place is None or place.channel_axis is None:
            continue
        if place.tokens:
            tokens.insert(0, site.name)
        elif not site.pooled and not PADDING.search(site.kind):
            return _last_that_matters(objective, tokens) or site.name
    found = _last_that_matters(objective, tokens)
    if found is None:
        raise no_feature_map(objective)
    return found


def advice(objective: Objective) -> str:
    """What to do where a site is no feature map: other sites are named only if they can be read."""
    seen = objective.structure
    if objective.input_layout is None if seen is None else not seen.places.wanted:
        return (
            "Class activation maps need inputs with places, such as pictures (N, C, H, W) or "
            "(N, H, W, C): explain the input itself, with integrated_gradients for example."
        )
    readable = [
        f"{site.name} {site.shape}"
        for site in objective.model.sites(objective.inputs)
        if is_readable(objective, site.name, site.shape)
    ]
    if readable:
        return f"Laid out over the input, and so good for at=..., are: {', '.join(readable)}."
    (first, *_) = leaves(objective.inputs.attributed)
    return objective.at_site(None).guess(first) or (
        "None of the sites is laid out over the input: explain the input itself, with "
        "integrated_gradients for example."
    )


def is_readable(objective: Objective, name: str, shape: tuple[int, ...]) -> bool:
    """Whether a site has a grid of the input's places."""
    if objective.structure is not None:
        return name in objective.structure.grids
    place = objective.inner_layout(shape)
    return place is not None and not place.tokens


def _last_that_matters(objective: Objective, names: list[str]) -> str | None:
    """The last of these token sites whose tokens tell the score, found by bisection: up to the last
    attention they do, after it they do not, and each look at a site costs a pass."""
    count = bisect_left(names, True, key=lambda name: not _tokens_matter(objective, name))
    return names[count - 1] if count else None


def _tokens_matter(objective: Objective, name: str) -> bool:
    """Whether most places of a site tell the score: have a gradient, whose shape is (N, tokens, C)."""
    model, arrays = objective.model, objective.arrays
    (gradient,) = leaves(model.gradient(objective.inputs, objective.target, at=name).gradient)
    size = arrays.sum(arrays.abs(gradient), axis=-1, keepdims=True)
    layout = objective.at_site(name).layout_of(size)
    if layout is None:
        return False
    share = model.to_numpy(layout.channels_last(size, arrays))
    return bool((share != 0).reshape(len(share), prod(layout.grid)).mean() > 0.5)


def layouts(objective: Objective, values: Tree, maps: bool) -> tuple[Layout | None, ...]:
    """Where each array of a technique's values has its channels and places; None where unknown.

    Args:
        objective: what was explained, of the examples that the values are of.
        values: what the technique found, shaped like the value explained, like the input, or one number
            for each place.
        maps: whether the technique gives class activation maps.
    """
    inputs = leaves(objective.inputs.attributed)
    found, grid = leaves(values), grid_at(objective) if maps else None
    under = inputs[0 if grid is None else grid.input]
    likes = inputs if len(found) == len(inputs) else [under] * len(found)
    return tuple(
        _layout(objective, leaf, like, maps) for leaf, like in zip(found, likes, strict=True)
    )


def _layout(objective: Objective, values: Array, like: Array, maps: bool) -> Layout | None:
    shape, given = shape_of(values), objective.at_site(None)
    layout = None if given.guess(like) else given.layout_of(like)
    if layout is None:
        return None
    if shape[1:] == shape_of(like)[1:]:
        return layout
    if maps and len(shape) == len(layout.grid) + 2:  # with its channels
        return Layout(len(shape) - 1, shape[1:-1])
    if maps or shape[1:] == layout.grid:
        return Layout(None, shape[1:])
    inner = objective.inner_layout(shape)
    if len(shape) < 3 or (inner is not None and not inner.tokens):
        return inner
    # A row of tokens, or a feature map whose channels the technique has summed up.
    sites = {site.name: site.shape for site in objective.model.sites(objective.inputs)}
    own = sites.get(objective.at or "", ())
    if shape[1:] == own[1:]:
        return inner
    summed = objective.inner_layout(own) is not None and len(shape) == len(own) - 1
    return Layout(None, shape[1:]) if summed else None
