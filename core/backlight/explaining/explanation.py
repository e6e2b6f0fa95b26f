"""What a technique is asked, made precise, and what is to be said about it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import final

import numpy as np
from numpy.typing import NDArray

from backlight.attribution.described import DescribedInput
from backlight.explaining.measured import Measured
from backlight.explaining.objective import Objective
from backlight.explaining.other_ways import ids_elsewhere, told_elsewhere
from backlight.explaining.spatial import notes_at
from backlight.explaining.zeros import zero_notes
from backlight.graph.axes.grids import Grid
from backlight.model.host_random import draw_notes
from backlight.rules.rules import Rules
from backlight.values.lookups import Lookups


@final
@dataclass(frozen=True)
class Explanation:
    """What a technique is asked, made precise.

    Attributes:
        objective: of all examples.
        blocks: which rows go through the model together.
        predicted: whether the score is that of the predicted classes, as the user named none.
        spatial: whether a feature map is read.
        differentiates: whether gradients are taken with respect to the objective's value.
        rules: that the backward pass obeys; None for the plain gradient.
        is_site_chosen: whether the feature map was chosen here, as the user named none.
        class_names: of the net's outputs in their order, if the user gave them, or the model tells them.
        inputs: each input described.
        ids: of each site: the name of the input whose ids it gives vectors, where it stands for that
            input; its values are then summed over each vector.
        lookups: which of the objective's inputs are vectors in the place of ids, whose values are summed
            over each vector; None where none is, or a site is explained.
    """

    objective: Objective
    blocks: tuple[NDArray[np.int64], ...]
    predicted: bool
    spatial: bool
    differentiates: bool
    rules: Rules | None
    is_site_chosen: bool
    class_names: tuple[str, ...] | None
    inputs: Mapping[str, DescribedInput]
    ids: tuple[str | None, ...]
    lookups: Lookups | None = None

    @cached_property
    def first(self) -> Objective:
        """The objective of the first block."""
        return self.objective.take(self.blocks[0])

    def inputs_at(self, grid: Grid | None) -> tuple[DescribedInput, ...]:
        """The inputs that the values of the one site are of, array by array; none where they are an
        inner value's own.

        Args:
            grid: of a class activation map: where the input's places are at its site.
        """
        every, (ids,) = tuple(self.inputs.values()), self.ids
        if ids is not None:
            return (self.inputs[ids],)
        if self.spatial:
            return () if grid is None else (every[grid.input],)
        return every if self.objective.at is None else ()

    def each(self) -> "tuple[Explanation, ...]":
        """Of each site by itself."""
        apart = zip(self.objective.apart(), self.ids, strict=True)
        return tuple(
            replace(
                self,
                objective=one,
                ids=(ids,),
                lookups=self.lookups if one.at is None else None,
            )
            for one, ids in apart
        )

    def notes(self, result: Measured) -> tuple[str, ...]:
        """What is to be said about the net and about what was found, each thing once.

        Raises:
            NoGradientError: no gradient reaches anything of what is explained.
        """
        objective = self.objective
        found = (
            *objective.structure_or_reason.notes(objective.count),
            *draw_notes(objective.model),
            *(notes_at(objective, self.is_site_chosen) if self.spatial else ()),
            *result.warnings,
            *(() if objective.model.attached else self._notes_of_ids()),
            *(() if objective.model.attached else self._notes_of_values(result)),
        )
        return tuple(dict.fromkeys(found))

    def _notes_of_ids(self) -> tuple[str, ...]:
        """What is to be said about ids that the score knows of by another way."""
        (ids,) = self.ids
        if self.lookups is not None:
            return told_elsewhere(self.first, self.lookups)
        return () if ids is None else ids_elsewhere(self.first, ids)

    def _notes_of_values(self, result: Measured) -> tuple[str, ...]:
        """What is to be said about zeros and gaps. To look into them may take several passes."""
        objective, structure, gaps = self.objective, self.objective.structure, result.gap_notes()
        return (
            *zero_notes(
                objective,
                self.blocks[0],
                result.nonzero,
                self.differentiates,
                self.rules,
                result.is_exact,
            ),
            *gaps,
            *(structure.choice_notes() if gaps and structure is not None else ()),
        )
