"""Where the values inside a net are that can be looked at and replaced."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

import jax.numpy as jnp

from backlight.model import Site
from backlight_jax.capture.program import Key
from backlight_jax.sites.structure import Structure, called_values


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
    structure: Structure,
    axes: Sequence[int | None],
    names: Mapping[str, int],
    best: Mapping[int, str],
) -> Sites:
    """The sites of a program.

    Args:
        structure: the program.
        axes: where each value has the examples.
        names, best: what each name points to, and the friendliest name of each value.
    """
    owners = owned_values(structure)
    kinds = {value: node.primitive for node in structure.active_nodes for value in node.outputs}
    kinds.update({value: name for name, value in called_values(structure)})

    def place(value: int) -> Place:
        shape, axis = structure.shape(value), axes[value]
        if axis is not None:
            shape = (shape[axis], *shape[:axis], *shape[axis + 1 :])
        return Place(owners[value], axis, shape, structure.is_floating(value))

    places = {name: place(value) for name, value in names.items()}
    listed = [
        Site(name, places[name].shape, kinds[value], value in structure.pooled)
        for value, name in sorted(best.items())
        if places[name].usable
    ]
    return Sites(tuple(listed), places)


def owned_values(structure: Structure) -> dict[int, Key]:
    """Each value's outermost key: a value that leaves a call is reached without opening the call."""
    owners: dict[int, Key] = {}
    for node in structure.active_nodes:
        owners.update({value: (node.path, index) for index, value in enumerate(node.outputs)})
    for (path, index), result in structure.program.keys.items():
        if isinstance(result, int) and result in owners:
            held = owners[result][0]
            if len(path) < len(held) and held[: len(path)] == path:
                owners[result] = (path, index)
    return owners
