"""Where the values inside a net are that can be looked at and replaced."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

import jax.numpy as jnp

from backlight.model import Site
from backlight_jax.capture.program import Key
from backlight_jax.sites.names import call_results, named_values
from backlight_jax.sites.structure import Structure


@final
@dataclass(frozen=True)
class Place:
    """Where a name points.

    Attributes:
        key: the result of an equation.
        axis: where that value has the examples; a site shows them on axis 0. None if nowhere.
        shape: of the value, in the site's order of axes.
        floating: whether it holds floating-point numbers.
    """

    key: Key
    axis: int | None
    shape: tuple[int, ...]
    floating: bool

    @property
    def usable(self) -> bool:
        return self.axis is not None and self.floating

    def shown(self, value: Any) -> Any:
        """The value with the examples on axis 0."""
        return jnp.moveaxis(value, self.axis or 0, 0)

    def hidden(self, value: Any, like: Any) -> Any:
        """A value, or one row for all examples, as the program has the value that is like it."""
        whole = jnp.broadcast_to(value, self.shown(like).shape)
        return jnp.moveaxis(whole, 0, self.axis or 0).astype(like.dtype)


@final
@dataclass(frozen=True)
class Sites:
    """The sites of a net for inputs of given shapes.

    Attributes:
        listed: each value once, by its friendliest name, in order of computation.
        places: where each name points, also the less friendly ones and those that cannot be used.
    """

    listed: tuple[Site, ...]
    places: Mapping[str, Place]


def find_sites(
    structure: Structure, axes: Sequence[int | None], weights: Mapping[int, str]
) -> Sites:
    """The sites of a program.

    Args:
        structure: the program.
        axes: where each value has the examples.
        weights: the names of the arguments and constants that are weights.
    """
    owners = owned_values(structure)
    names, best = named_values(structure, weights)
    places = {name: place(structure, value, owners[value], axes) for name, value in names.items()}
    kinds = value_kinds(structure)
    listed = [
        Site(name, places[name].shape, kinds[value], value in structure.pooled)
        for value, name in sorted(best.items())
        if places[name].usable
    ]
    return Sites(tuple(listed), places)


def labels(structure: Structure, weights: Mapping[int, str]) -> dict[Key, str]:
    """The friendliest name of each value, those that cannot be sites included."""
    owners = owned_values(structure)
    _, best = named_values(structure, weights)
    return {owners[value]: name for value, name in best.items()}


def place(structure: Structure, value: int, key: Key, axes: Sequence[int | None]) -> Place:
    aval, axis = structure.program.avals[value], axes[value]
    shape = tuple(aval.shape)
    if axis is not None:
        shape = (shape[axis], *shape[:axis], *shape[axis + 1 :])
    return Place(key, axis, shape, jnp.issubdtype(aval.dtype, jnp.floating))


def owned_values(structure: Structure) -> dict[int, Key]:
    """Each value's outermost key: a value that leaves a call is reached without opening the call."""
    owners: dict[int, Key] = {}
    for node in structure.active_nodes:
        for index, value in enumerate(node.outputs):
            owners[value] = (node.path, index)
    for (path, index), result in structure.program.keys.items():
        if isinstance(result, int) and result in owners:
            held = owners[result][0]
            if len(path) < len(held) and held[: len(path)] == path:
                owners[result] = (path, index)
    return owners


def value_kinds(structure: Structure) -> dict[int, str]:
    """What computes each value: the primitive, or the named function whose result it is."""
    kinds = {value: node.primitive for node in structure.active_nodes for value in node.outputs}
    for name, value in call_results(structure):
        kinds[value] = name
    return kinds
