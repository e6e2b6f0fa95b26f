"""Infidelity: how far a map is from foretelling what changes of the input do to the score."""

from dataclasses import dataclass
from math import prod
from typing import ClassVar, final

import numpy as np
from numpy.typing import NDArray

from backlight import Cost, Metric, Outcome, Removals, Subject
from backlight.errors import InputError, is_real, is_whole, require
from backlight.evaluating.metric import Direction
from backlight.evaluating.places import LeafPlaces
from backlight.evaluating.replacement import Replacement, require_replacement
from backlight.values.noise import normal
from backlight.values.tree import leaves, rebuild

SUBSETS = 11
"""Tells the stream of random subsets from others of the seed."""


@final
@dataclass(frozen=True, kw_only=True)
class Infidelity(Metric):
    """How far the map is from foretelling what random changes of the input do to the score.

        min over b >= 0 of  E[(b * p - d)^2] / E[d^2],    d = score(x) - score(x changed)

    p is what the map foretells of d. Of contributions, the sum of the values at the places that are
    replaced: random cells of a grid. Of derivatives (`local`), the sum of the values times the Gaussian
    noise that is taken from the input; a map of one number per place stands for each of its channels.
    The factor b makes it independent of the map's scale: 0 for a map that foretells d but for a factor,
    1 for one that foretells nothing of it, or the opposite. `raw` is the paper's E[(p - d)^2].

    Yeh, Hsieh, Suggala, Inouye, Ravikumar, "On the (In)fidelity and Sensitivity of Explanations" (2019),
    definition 2.1 and the optimal scaling of section 2.2; subsets as of section 2.3.

    Args:
        local: whether the values are derivatives, as those of `gradient`; else they are contributions.
        samples: how many changes.
        cells: most cells along each axis of places; without neighbours each place is a cell.
        share: of the cells that are replaced at a time, one at least. Of large ones their number alone
            foretells much, and the control `uniform` comes close.
        radius: the noise's standard deviation, as a share of the data's range.
        baseline: what replaces a place; None for that of the evaluation.
        raw: whether to leave the scale in.

    Law: for a score that is a sum over places, the exact contributions have 0, ten times them too, and
        their negative has 1; so have, for one that is linear, its derivatives where `local`.
    Cost: a forward pass for each sample and one.
    """

    direction: ClassVar[Direction | None] = "lower"
    range: ClassVar[tuple[float, float]] = (0.0, float("inf"))
    local: bool = False
    samples: int = 64
    cells: int = 8
    share: float = 0.1
    radius: float = 0.1
    baseline: Replacement | None = None
    raw: bool = False

    def __post_init__(self) -> None:
        for field in ("local", "raw"):
            require(isinstance(getattr(self, field), bool), self, field, "True or False")
        for field in ("samples", "cells"):
            given = getattr(self, field)
            require(is_whole(given) and given >= 1, self, field, "at least 1")
        fits = is_real(self.share) and 0 < self.share <= 1
        require(fits, self, "share", "above 0 and at most 1")
        require(is_real(self.radius) and self.radius > 0, self, "radius", "above 0")
        require_replacement(self)

    @property
    def unit(self) -> str:
        return "score squared" if self.raw else "share of the score's change squared"

    def cost(self, places: int) -> Cost:
        return Cost(forwards=self.samples + 1)

    def passes(self, subject: Subject) -> int:
        return self.samples * subject.count if self.local else 0

    def removals(self, subject: Subject) -> list[Removals]:
        if self.local:
            return []
        removed = self._subsets(subject)

        def gone(chunk: range) -> NDArray[np.bool_]:
            return removed[chunk.start : chunk.stop, None, :]

        return [Removals(self.samples, gone, self.baseline)]

    def evaluate(self, subject: Subject) -> Outcome:
        foretold, changed = self._by_noise(subject) if self.local else self._by_subsets(subject)
        return Outcome(unforetold(foretold, subject.score - changed, self.raw))

    def _by_subsets(self, subject: Subject) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """What the map foretells and the score there, (samples, n) each."""
        (asked,) = self.removals(subject)
        scores = subject.perturbed.scores(asked)
        return self._subsets(subject).astype(np.float64) @ subject.places.T, scores

    def _subsets(self, subject: Subject) -> NDArray[np.bool_]:
        """The places replaced, (samples, places), the same of all examples."""
        cells = np.concatenate(
            numbered([cells_of(part, self.cells) for part in subject.layout.parts])
        )
        count = int(cells.max()) + 1
        return np.stack([self._subset(subject, count, one)[cells] for one in range(self.samples)])

    def _subset(self, subject: Subject, cells: int, sample: int) -> NDArray[np.bool_]:
        chosen = subject.generator(SUBSETS, sample).permutation(cells)
        return chosen < max(1, round(self.share * cells))

    def _by_noise(self, subject: Subject) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        objective, model = subject.objective, subject.objective.model
        value, parts = leaves(objective.value), subject.layout.parts
        maps = [
            own if own.shape[1:] == part.shape else part.spread(part.summed(own))
            for own, part in zip(leaves(subject.map.values), parts, strict=True)
        ]
        foretold, scores = [], []
        for chunk in objective.chunks(self.samples):
            points, sums = [], np.zeros((len(chunk), subject.count))
            for place, (own, part) in enumerate(zip(value, parts, strict=True)):
                first = part.channel_axis == 1
                noise = (
                    self.radius
                    * range_of(subject, place)
                    * np.stack(
                        [
                            normal(
                                subject.seed, one, place, part.shape, "first" if first else "last"
                            )
                            for one in chunk
                        ]
                    )
                )
                values = np.broadcast_to(maps[place], (subject.count, *part.shape))
                sums += noise.reshape(len(chunk), -1) @ values.reshape(subject.count, -1).T
                points.append(own[None, ...] - model.asarray(noise[:, None], like=own))
            scores.append(subject.on_host(objective.score(rebuild(objective.value, points))))
            foretold.append(sums)
        return np.concatenate(foretold), np.concatenate(scores)


def unforetold(
    foretold: NDArray[np.float64], changes: NDArray[np.float64], raw: bool
) -> NDArray[np.float64]:
    """See `Infidelity`, from (samples, n) each: (n,). NaN where the score never changes."""
    if raw:
        return np.asarray(((foretold - changes) ** 2).mean(axis=0))
    squares = (foretold**2).sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        factor = np.where(
            squares > 0, np.maximum((foretold * changes).sum(axis=0), 0) / squares, 0.0
        )
        rest = ((factor * foretold - changes) ** 2).sum(axis=0)
        return np.asarray(rest / (changes**2).sum(axis=0))


def range_of(subject: Subject, place: int) -> float:
    """The data's range of an input, in which a radius is measured.

    Raises:
        InputError: there is none.
    """
    if subject.objective.at is not None:
        raise InputError("A radius is measured in the range of the inputs; leave out at=...")
    found = subject.ranges[place]
    if not found > 0:
        raise InputError(
            "All inputs hold the same number, or words: there is no range of the data to measure the "
            "radius in."
        )
    return found


def cells_of(places: LeafPlaces, most: int) -> NDArray[np.int64]:
    """The number of the cell of each place, (places,): a grid of at most `most` cells along each axis."""
    if not places.is_grid:
        return np.arange(places.count)
    lines = [np.arange(side) * min(most, side) // side for side in places.grid]
    found = np.zeros(places.grid, dtype=np.int64)
    for axis, line in enumerate(lines):
        lengths = [-1 if axis == other else 1 for other in range(len(lines))]
        found = found * (int(line[-1]) + 1) + line.reshape(lengths)
    assert found.max() < prod(places.grid)
    return found.reshape(-1)


def numbered(parts: list[NDArray[np.int64]]) -> list[NDArray[np.int64]]:
    """The cells of several arrays, each with numbers of its own."""
    starts = np.cumsum([0, *(int(part.max()) + 1 for part in parts[:-1])])
    return [part + start for part, start in zip(parts, starts, strict=True)]
