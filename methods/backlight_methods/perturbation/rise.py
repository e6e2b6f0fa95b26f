"""RISE: the mean score under random masks that let a place through.

    value of a place = sum over masks m of  score(baseline + m (x - baseline)) * m at the place /
    (samples * p)

Petsiuk, Das, Saenko, "RISE: Randomized Input Sampling for Explanation of Black-box Models" (2018),
equations 6 and 7, and the masks of its section 3.2.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import final

import numpy as np
from numpy.typing import NDArray

from backlight import Objective, Result, Score
from backlight.errors import InputError, is_real, is_whole, require
from backlight.explaining.hiding import Hiding
from backlight.values.arrays import Array, shape_of
from backlight.values.baselines import Baseline, require_baseline
from backlight.values.noise import shares
from backlight.values.tree import Tree, leaves, map_leaves, rebuild
from backlight_methods.keeping import mean
from backlight_methods.samples import Samples
from backlight_methods.sampling import MeanMethod

Numbers = NDArray[np.float64]


@final
@dataclass(frozen=True, kw_only=True)
class RISE(MeanMethod):
    """The mean score over random masks, those counting that let the place through.

    A mask is a coarse grid of cells that are open or shut, brought to the places' size with soft edges
    and moved by a random part of a cell. Values have no zero that means anything: compare the places
    of one map. Each channel of a place has its value.

    Args:
        samples: masks, at least 2; the paper draws 4000 to 8000.
        cells: of a mask along each axis of the places; where the value has no places, each of its
            numbers (of (N, tokens, features), each token) is open or shut.
        probability: that a cell is open, between 0 and 1.
        baseline: what is behind a mask: a number, an array, "blur", "mean" ...; the mean over `Several`.
        tolerance: draws more masks, for the examples that need them, until the largest standard error of
            an example is at most this share of its largest absolute value; None for no more.
        floor: what the tolerance is a share of at least, in the score's units.
        maximum_samples: where the tolerance gives up, with a warning.
        seed: of the masks, which are the same on every framework and for every example.
        keep: "each" keeps what each mask says as well, as `Attribution.each`: `samples` times the memory
            of the values.

    Law: of a score that does not depend on x, each value is the score, in expectation; for a model
        linear in x without places, value_i = score of probability * x + (1 - probability) * baseline,
        + (1 - probability) * weight_i * (x_i - baseline_i), in expectation.
    Cost: `samples` forward passes for each baseline, whatever the number of targets.
    """

    samples: int = 4000
    cells: int = 7
    probability: float = 0.5
    baseline: Baseline = 0.0
    maximum_samples: int = 100_000

    def __post_init__(self) -> None:
        super().__post_init__()
        require(is_whole(self.cells) and self.cells >= 1, self, "cells", "at least 1")
        inside = is_real(self.probability) and 0 < self.probability < 1
        require(inside, self, "probability", "between 0 and 1")
        require_baseline(self)

    @property
    def differentiates(self) -> bool:
        return False

    def drawn(self, objective: Objective, targets: Sequence[Score], samples: range) -> list[Result]:
        """The scores of masked examples, where the masks let a place through: a number for each place."""
        value = leaves(objective.value)
        if not all(map(objective.model.is_floating, value)):
            raise InputError(
                "RISE fades values, which whole numbers such as token ids cannot be: explain an inner "
                "value, at=..., or hide features entirely, as KernelSHAP does."
            )
        covers = [cover(leaf, objective) for leaf in value]
        masks = [
            np.stack([self._mask(sample, number, *one) for sample in samples])
            for number, one in enumerate(covers)
        ]
        there = [
            objective.model.asarray(mask, like=leaf)
            for mask, leaf in zip(masks, value, strict=True)
        ]
        hiding = Hiding(objective, self.baseline)
        each = [
            objective.scores(targets, hiding.point(number, there)) for number in range(hiding.count)
        ]

        def through(score: Array, mask: Numbers) -> Array:
            share = objective.model.asarray(mask / self.probability, like=score)
            column = objective.arrays.reshape(score, (*shape_of(score), *(1,) * (mask.ndim - 2)))
            return objective.arrays.reshape(column * share, (-1, *mask.shape[2:]))

        scores = [mean(of_target) for of_target in zip(*each, strict=True)]
        return [
            Result(rebuild(objective.value, [through(score, mask) for mask in masks]))
            for score in scores
        ]

    def results(
        self, objective: Objective, targets: Sequence[Score], found: Sequence[Samples]
    ) -> list[Result]:
        notes = [objective.guess(leaf) for leaf in leaves(objective.value)]

        def everywhere(of_places: Array, leaf: Array, *samples: int) -> Array:
            return objective.arrays.broadcast_to(of_places, (*samples, *shape_of(leaf)))

        def spread(tree: Tree | None, *samples: int) -> Tree | None:
            if tree is None:
                return None
            return map_leaves(
                lambda one, leaf: everywhere(one, leaf, *samples), tree, objective.value
            )

        return [
            Result(
                map_leaves(everywhere, one.mean, objective.value),
                score,
                error=one.error,
                standard_error=spread(one.standard_error),
                each=spread(one.each, one.count),
                warnings=tuple(note for note in notes if note),
            )
            for one, score in zip(found, objective.scores(targets), strict=True)
        ]

    def _mask(
        self, sample: int, leaf: int, shape: tuple[int, ...], grid: tuple[int, ...]
    ) -> Numbers:
        """One mask of this shape, (1, ...): its places are laid out as the grid, or have no
        neighbours."""
        if not grid:
            drawn = shares(self.seed, sample, prod(shape), leaf)
            return (drawn < self.probability).astype(np.float64).reshape(shape)
        sides = [min(self.cells, side) for side in grid]
        coarse = [side + 1 for side in sides]
        drawn = shares(self.seed, sample, len(grid) + prod(coarse), leaf)
        mask = (drawn[len(grid) :] < self.probability).astype(np.float64).reshape(coarse)
        for axis, (places, cells) in enumerate(zip(grid, sides, strict=True)):
            at = (np.arange(places) + 0.5) * cells / places - 0.5 + drawn[axis]
            mask = np.moveaxis(np.tensordot(line(at, cells + 1), mask, axes=(1, axis)), 0, axis)
        return mask.reshape(shape)


def cover(leaf: Array, objective: Objective) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The shape (1, ...) in which a mask broadcasts against an array of the value, and the grid of its
    places; no grid where they have no neighbours."""
    shape, layout = shape_of(leaf), objective.layout_of(leaf)
    if layout is None:
        return (1, *shape[1:2], *(1,) * (len(shape) - 2)) if len(shape) == 3 else (
            1,
            *shape[1:],
        ), ()
    if layout.tokens:
        return (1, shape[1], 1), ()
    lengths = [1 if axis == layout.channel_axis else side for axis, side in enumerate(shape)]
    return (1, *lengths[1:]), layout.grid


def line(at: Numbers, cells: int) -> Numbers:
    """The matrix (places, cells) that reads a line of cells, whose middles are whole numbers from 0,
    between them; beyond the ends it is as there."""
    inside = np.clip(at, 0, cells - 1)
    return np.asarray(np.maximum(1 - np.abs(inside[:, None] - np.arange(cells)), 0))
