"""RISE: the mean score under random masks that let a place through.

    value of a place = sum over masks m of  score(baseline + m (x - baseline)) * m at the place /
    (samples * p)

Petsiuk, Das, Saenko, "RISE: Randomized Input Sampling for Explanation of Black-box Models" (2018),
equations 6 and 7, and the masks of its section 3.2.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod, sqrt
from typing import final

import numpy as np
from numpy.typing import NDArray

from backlight import Method, Objective, Result, Score
from backlight.errors import InputError, is_real, is_whole, require
from backlight.explaining.hiding import Hiding
from backlight.values.arrays import Array, shape_of
from backlight.values.baselines import Baseline, require_baseline
from backlight.values.noise import shares
from backlight.values.tree import Tree, leaves, rebuild

Numbers = NDArray[np.float64]


@final
@dataclass(frozen=True, kw_only=True)
class RISE(Method):
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
        seed: of the masks, which are the same on every framework and for every example.

    Law: of a score that does not depend on x, each value is the score, in expectation; for a model
        linear in x without places, value_i = score of probability * x + (1 - probability) * baseline,
        + (1 - probability) * weight_i * (x_i - baseline_i), in expectation.
    Cost: `samples` forward passes for each baseline, whatever the number of targets.
    """

    samples: int = 4000
    cells: int = 7
    probability: float = 0.5
    baseline: Baseline = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        require(is_whole(self.samples) and self.samples >= 2, self, "samples", "at least 2")
        require(is_whole(self.cells) and self.cells >= 1, self, "cells", "at least 1")
        inside = is_real(self.probability) and 0 < self.probability < 1
        require(inside, self, "probability", "between 0 and 1")
        require(is_whole(self.seed) and self.seed >= 0, self, "seed", "at least 0")
        require_baseline(self)

    @property
    def differentiates(self) -> bool:
        return False

    @property
    def linear(self) -> bool:
        return True

    def attribute(self, objective: Objective) -> Result:
        (result,) = self.attribute_each(objective, (objective.target,))
        return result

    def attribute_each(self, objective: Objective, targets: Sequence[Score]) -> list[Result]:
        value = leaves(objective.value)
        if not all(map(objective.model.is_floating, value)):
            raise InputError(
                "RISE fades values, which whole numbers such as token ids cannot be: explain an inner "
                "value, at=..., or hide features entirely, as KernelSHAP does."
            )
        covers = [cover(leaf, objective) for leaf in value]
        hiding = Hiding(objective, self.baseline)

        def part(chunk: range) -> Tree:
            masks = [
                np.stack([self._mask(sample, number, *one) for sample in chunk])
                for number, one in enumerate(covers)
            ]
            there = [
                objective.model.asarray(mask, like=leaf)
                for mask, leaf in zip(masks, value, strict=True)
            ]
            each = [
                objective.scores(targets, hiding.point(number, there))
                for number in range(hiding.count)
            ]
            sums = []
            for of_target in zip(*each, strict=True):
                total = of_target[0]
                for more in of_target[1:]:
                    total = total + more
                sums += weighed(total / hiding.count, masks, objective)
            return tuple(sums)

        found = iter(leaves(objective.summed(self.samples, part)))
        results = []
        for score in objective.scores(targets):
            pairs = [self._mean(next(found), next(found), objective) for _ in value]
            means, errors = (
                [
                    objective.arrays.broadcast_to(
                        objective.arrays.reshape(one, (objective.count, *shape[1:])), shape_of(leaf)
                    )
                    for one, leaf, (shape, _) in zip(column, value, covers, strict=True)
                ]
                for column in zip(*pairs, strict=True)
            )
            notes = tuple(note for leaf in value if (note := objective.guess(leaf)))
            results.append(
                Result(
                    rebuild(objective.value, means),
                    score,
                    standard_error=rebuild(objective.value, errors),
                    warnings=notes,
                )
            )
        return results

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

    def _mean(self, total: Array, squares: Array, objective: Objective) -> tuple[Array, Array]:
        """The values, and their standard errors, from the sums of score * mask and of its square."""
        mean = total / self.samples
        variance = objective.arrays.maximum(
            squares / self.samples - mean * mean, objective.arrays.zeros_like(mean)
        )
        error = objective.arrays.sqrt(variance) / sqrt(self.samples - 1)
        return mean / self.probability, error / self.probability


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


def weighed(score: Array, masks: Sequence[Numbers], objective: Objective) -> list[Array]:
    """For each array of the value, the sums over masks of score * mask and of its square, (n, places)."""
    arrays, model = objective.arrays, objective.model
    by_example = arrays.permute_dims(score, (1, 0))
    found = []
    for mask in masks:
        flat = mask.reshape(len(mask), -1)
        found.append(by_example @ model.asarray(flat, like=score))
        found.append(by_example**2 @ model.asarray(flat**2, like=score))
    return found
