"""The last feature map of a model: the inner site that class activation maps read by default."""

import re
from bisect import bisect_left
from collections.abc import Hashable
from math import prod
from weakref import WeakKeyDictionary

from backlight.arrays import Array, shape_of
from backlight.errors import SiteError
from backlight.layout import site_layout
from backlight.model import Model
from backlight.objective import Objective
from backlight.tree import leaves

PADDING = re.compile(r"pad(ding)?(\dd)?$", re.IGNORECASE)
"""Kinds of site that only add an edge, which would shift the map: ZeroPadding2D, ZeroPad2d, pad."""

_found: WeakKeyDictionary[Model, dict[Hashable, str]] = WeakKeyDictionary()


def last_feature_map(objective: Objective) -> str:
    """The name of the last site whose places still mean places of the input.

    Going back from the output, it is the first site that is laid out over the input (see
    `site_layout`), is not the result of a pooling, and whose places all can tell the score: after a
    vision transformer's last attention only the class token does, and its patches get no gradient.

    Raises:
        SiteError: no such site; the message lists the sites.
    """
    inputs, model = objective.inputs, objective.model
    shape = shape_of(leaves(inputs.attributed)[0])
    remembered = _found.setdefault(model, {})
    # The score matters too: it may be a neuron's, or that of a token other than the class token.
    key = (shape[1:], objective.target.recipe, model.structure())
    if key not in remembered:
        remembered[key] = _search(objective)
    return remembered[key]


def _search(objective: Objective) -> str:
    model, layout = objective.model, objective.input_layout
    shape = shape_of(leaves(objective.inputs.attributed)[0])
    sites = list(model.sites(objective.inputs))
    names = [site.name for site in sites]
    if objective.target.site in names:  # what comes after a neuron does not tell its value
        sites = sites[: names.index(objective.target.site) + 1]
    tokens: list[str] = []
    image = () if layout is None else layout.grid
    for site in reversed(sites):
        place = site_layout(site.shape, image, model.channels, objective.count) if image else None
        if place is not None and place.tokens:
            tokens.insert(0, site.name)
        elif place is not None and not site.pooled and not PADDING.search(site.kind):
            return _last_that_matters(objective, tokens) or site.name
    listed = ", ".join(f"{site.name} {site.shape}" for site in sites) or "none"
    found = _last_that_matters(objective, tokens)
    if found is None:
        raise SiteError(
            f"No feature map found for inputs of shape {shape}: name a site with at=... . "
            f"Sites: {listed}."
        )
    return found


def _last_that_matters(objective: Objective, names: list[str]) -> str | None:
    """The last of these token sites whose tokens tell the score, found by bisection: up to the last
    attention they do, after it they do not, and each look at a site may cost a pass."""
    magnitude = objective.model.magnitudes(objective.inputs, objective.target, names)
    count = bisect_left(
        names, True, key=lambda name: not _tokens_matter(objective.placed(name), magnitude(name))
    )
    return names[count - 1] if count else None


def _tokens_matter(objective: Objective, magnitudes: Array) -> bool:
    """Whether most places tell the score, where the gradient's magnitudes there are (N, tokens, 1)."""
    layout = objective.layout_of(magnitudes)
    if layout is None:
        return False
    share = objective.model.to_numpy(layout.channels_last(magnitudes, objective.arrays))
    return bool((share != 0).reshape(len(share), prod(layout.grid)).mean() > 0.5)
