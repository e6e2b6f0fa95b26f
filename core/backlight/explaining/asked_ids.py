"""What a net is given where it is tried what it looks up for ids: its own ids, or others."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import cast, final

import numpy as np
from numpy.typing import NDArray

from backlight.explaining.embedding import toggled
from backlight.explaining.rows import take_rows
from backlight.explaining.token_ids import host_ids, with_ids
from backlight.model.model import Model
from backlight.values.arrays import Array
from backlight.values.inputs import Inputs, unwrapped
from backlight.values.lookups import IDS, Lookups
from backlight.values.tree import concat, leaves, names, rebuild

Ids = NDArray[np.integer]


@final
@dataclass(frozen=True)
class AskedIds:
    """The ids of one input of a net, and others in their place.

    Attributes:
        model: the net, as a function of ids, or of the vectors that are known of them.
        inputs: what it is given.
        position: of the input among the attributed arrays.
        known: which lookups are known: their vectors stay, whatever the ids.
    """

    model: Model
    inputs: Inputs
    position: int
    known: Lookups | None = None

    def knowing(self, known: Lookups) -> "AskedIds":
        """The same of a net that is given the vectors of these lookups."""
        every = [np.arange(self.inputs.count)]
        given = with_vectors(self.model, self.inputs, known, every)
        return replace(self, model=self.model.with_vectors(known), inputs=given, known=known)

    @property
    def name(self) -> str:
        return self._name(self.position)

    @cached_property
    def own(self) -> Ids:
        return self._ids(self.position)

    def with_ids(self, ids: Ids) -> Inputs:
        """Inputs with other ids of this input."""
        return self._with_ids(self.inputs, self.position, ids)

    def others_changed(self) -> Inputs:
        """Inputs with other numbers, and other ids, in all but this one; the vectors that are known of
        this one are other ones, too."""
        found = self.inputs
        for position, leaf in enumerate(leaves(self.inputs.attributed)):
            holds_ids = not self.model.is_floating(leaf) or self._is_known(position)
            if holds_ids and position != self.position:
                found = self._with_ids(found, position, toggled(self._ids(position)))
        changed = [
            leaf * 1.5 + 0.25 if self.model.is_floating(leaf) else leaf
            for leaf in leaves(found.attributed)
        ]
        return found.with_attributed(rebuild(found.attributed, changed))

    def _is_known(self, position: int) -> bool:
        return self.known is not None and self.known.at(position) is not None

    def _name(self, position: int) -> str:
        return names(self.inputs.attributed)[position]

    def _ids(self, position: int) -> Ids:
        if not self._is_known(position):
            return host_ids(self.model, self.inputs, self._name(position))
        ids = cast(Array, unwrapped(self.inputs.keyword[IDS.format(position)]))
        return np.asarray(self.model.to_numpy(ids))

    def _with_ids(self, inputs: Inputs, position: int, ids: Ids) -> Inputs:
        if self.known is None or not self._is_known(position):
            return with_ids(self.model, inputs, self._name(position), ids)
        return self.known.with_ids(inputs, position, self.model.asarray(ids))


def with_vectors(
    model: Model, inputs: Inputs, found: Lookups, rows: Sequence[NDArray[np.int64]]
) -> Inputs:
    """The inputs with the vectors of their ids, computed in blocks of these rows."""
    parts = [model.activations(take_rows(model, inputs, one), found.sites) for one in rows]
    whole = [concat(each, model.arrays) for each in zip(*parts, strict=True)]
    values = {site: leaves(one)[0] for site, one in zip(found.sites, whole, strict=True)}
    return found.put_in(inputs, values, model.arrays)
