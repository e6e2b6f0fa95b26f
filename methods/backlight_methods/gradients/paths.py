"""Straight ways from baselines to a value, and the points on them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from backlight import Objective
from backlight.values.arrays import Array, between
from backlight.values.tree import Tree, map_leaves

Numbers = NDArray[np.float64]


@final
@dataclass(frozen=True, eq=False)
class Paths:
    """From each of some baselines x' straight to the objective's value x.

    Attributes:
        objective: whose value they lead to.
        references: the baselines, as `Objective.references` gives them.
    """

    objective: Objective
    references: Sequence[Tree]

    def points(self, chosen: Sequence[int], places: Numbers) -> tuple[Tree, Tree]:
        """Points x' + place (x - x'), at the ends exactly x' and x, and the whole ways x - x', shape
        (samples, N, ...) each.

        Args:
            chosen: which of the baselines, for each sample.
            places: from 0, at the baseline, to 1, at the value: one for each sample.
        """
        objective = self.objective
        starts = objective.stacked([self.references[one] for one in chosen])
        ends = map_leaves(lambda x: x[None, ...], objective.value)
        ways = map_leaves(lambda x, b: x - b, ends, starts)

        def point(b: Array, x: Array) -> Array:
            return between(b, x, objective.column(places, like=x[0, ...]))

        return map_leaves(point, starts, ends), ways
