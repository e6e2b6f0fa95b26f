"""Where the values inside a net are that can be looked at and replaced."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, final

import jax.numpy as jnp

from backlight.model.model import Site
from backlight.model.named_sites import NamedSites
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
    """

    key: Key
    axis: int | None
    shape: tuple[int, ...]

    def shown(self, value: Any) -> Any:
        """The value with the examples on axis 0."""
        return jnp.moveaxis(value, self.axis or 0, 0)


Sites: TypeAlias = NamedSites[Place]


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
        return Place(owners[value], axis, shape)

    def objection(name: str, value: int) -> str | None:
        if axes[value] is not None and structure.is_floating(value):
            return None
        what = "has no axis for the examples" if axes[value] is None else "holds integers"
        return f"of shape {places[name].shape} {what}"

    places = {name: place(value) for name, value in names.items()}
    reasons = {name: objection(name, value) for name, value in names.items()}
    unusable = {name: reason for name, reason in reasons.items() if reason is not None}
    listed = [
        Site(name, places[name].shape, kinds[value], value in structure.pooled)
        for value, name in sorted(best.items())
        if name not in unusable
    ]
    return NamedSites(tuple(listed), places, unusable)


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
