"""Which sites a user means, by name; also what goes into a layer: `fc.input`, or `fc.input[1]` of
several."""

import re
from typing import TypeAlias, TypeGuard

from backlight.errors import InputTypeError, SiteError
from backlight.explaining.structure import UnknownStructure, net_structure
from backlight.graph.graph import Graph
from backlight.model.model import Model
from backlight.values.inputs import Inputs

Place: TypeAlias = str | None
"""What users may say for `at`; None is the model's input."""

Places: TypeAlias = list[str] | list[str | None] | tuple[str | None, ...]
"""What users may say for several sites at once."""

INPUT = re.compile(r"(?P<layer>.+)\.input(\[(?P<number>\d+)\])?", re.DOTALL)
SEPARATORS = (".", "/")
"""Between the names of layers in layers."""


def several(at: Place | Places) -> TypeGuard[Places]:
    """Whether these are several sites, or a list of one."""
    return isinstance(at, (list, tuple))


def placed(at: Place | Places) -> list[Place]:
    """The sites that the user asks for, one by one.

    Raises:
        InputTypeError: they are no names.
    """
    found = tuple(at) if several(at) else (at,)
    names = [one for one in found if one is None or isinstance(one, str)]
    if not found or len(names) < len(found):
        raise InputTypeError(
            f"at must be the name of a site, or a list of names, None among them for the input; got "
            f"{at!r}."
        )
    return names


def named_site(model: Model, inputs: Inputs, at: Place) -> str | None:
    """The site that a name means; None for the model's own input, which may be a layer's.

    Args:
        model, inputs: where the names are looked up.
        at: a site's name, or that of a layer with `.input` behind it; None for the input.

    Raises:
        SiteError: the layer has several inputs, or its input is no site; the message says what there is.
    """
    if at is None:
        return None
    said = INPUT.fullmatch(at)
    if said is None or at in {site.name for site in model.sites(inputs)}:
        return at
    seen = net_structure(model, inputs, None)
    if isinstance(seen, UnknownStructure):
        raise SiteError(
            f"What goes into {said['layer']!r} is not known, as {seen.why}: name the site itself, one of "
            "model.sites(x)."
        )
    values = inputs_of(seen.graph, said["layer"])
    if not values:
        return at  # no such layer: as of any other name that is not known
    number = int(said["number"] or 0)
    if (said["number"] is None and len(values) > 1) or number >= len(values):
        names = ", ".join(f"{said['layer']}.input[{one}]" for one in range(len(values)))
        raise SiteError(f"{said['layer']!r} has {len(values)} inputs; say which: {names}.")
    value = values[number]
    sources = seen.graph.sources
    if value in sources and len(sources) == 1:
        return None
    if value in sources:
        raise SiteError(
            f"{at!r} is one of the model's {len(sources)} inputs: leave at= out to explain them all."
        )
    known = (name for name, place in seen.graph.sites.items() if place == value)
    name = next(known, None)
    if name is None:
        raise SiteError(
            f"{at!r} is no value that can be named, such as a view or a part of another: name the site "
            "before it, one of model.sites(x)."
        )
    return name


def inputs_of(graph: Graph, layer: str) -> list[int]:
    """The values that a layer reads at its first use and that depend on the model's inputs, in the order
    in which it reads them."""
    moving = set(graph.sources)
    inside: set[int] = set()
    found: list[int] = []
    for node in graph.nodes:
        depends = not moving.isdisjoint(node.operands)
        moving.update(node.results if depends else ())
        if node.place == layer or node.place.startswith(tuple(layer + one for one in SEPARATORS)):
            found += [one for one in node.operands if one in moving and one not in inside]
            inside.update(node.results)
        elif inside and not inside.isdisjoint(node.operands) and node.place:
            break  # behind its first use
    return list(dict.fromkeys(found))
