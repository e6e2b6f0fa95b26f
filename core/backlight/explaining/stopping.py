"""How many samples a technique draws: as many as were said, or as its standard errors need."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol, Self, final

import numpy as np
from numpy.typing import NDArray

from backlight.explaining.completeness import examples, listed
from backlight.explaining.objective import Objective
from backlight.explaining.result import Result, in_order

Numbers = NDArray[np.float64]


class Draws(Protocol):
    """Samples of n examples, the same for several targets, and what they say."""

    @property
    def objective(self) -> Objective:
        """Of the examples."""

    @property
    def samples(self) -> int:
        """How many were drawn of each example."""

    @property
    def errors(self) -> Numbers:
        """The largest standard error of each example, shape (targets, n)."""

    @property
    def sizes(self) -> Numbers:
        """What a tolerance is a share of, in the units of the errors, at least 0, shape (targets, n)."""

    @property
    def results(self) -> Sequence[Result]:
        """What they say, for each target. What an example has does not depend on the others."""

    def take(self, rows: NDArray[np.int64]) -> Self:
        """Those of some of the examples. Not asked for where rows look at each other."""

    def continued(self, samples: int) -> Self:
        """The same and more, so many in all."""


@final
@dataclass(frozen=True)
class Stopping:
    """When there are enough samples.

    Attributes:
        tolerance: more are added, for the examples that need them, until the largest standard error is at
            most this share of `Draws.sizes`; None for no more.
        floor: what the share is taken of at least, where that is next to nothing.
        maximum: where adding ends.
    """

    tolerance: float | None
    floor: float
    maximum: int

    def results(self, draws: Draws) -> list[Result]:
        """What is found with as many samples as it takes, which is another number for each target and
        example: what an example has depends neither on the others nor on other targets."""
        objective, found = draws.objective, list(draws.results)
        if self.tolerance is None:
            return found
        rows = np.arange(objective.count)
        errors, allowed = draws.errors, self._allowed(draws)
        far = ~(errors <= allowed)  # NaN is not
        while far.any() and draws.samples < self.maximum:
            still = far[:, rows].any(axis=0)
            if not (still.all() or objective.whole):
                draws, rows = draws.take(np.flatnonzero(still)), rows[still]
            draws = draws.continued(min(2 * draws.samples, self.maximum))
            pending = far[:, rows]
            new = draws.errors, self._allowed(draws)
            for target, result in enumerate(draws.results):
                some = np.flatnonzero(pending[target])
                order = np.arange(objective.count)
                order[rows[some]] = objective.count + some
                found[target] = in_order([found[target], result], order, objective.model)
                for old, better in zip((errors, allowed), new, strict=True):
                    old[target, rows[some]] = better[target, some]
            far = ~(errors <= allowed)
        return [
            replace(result, warnings=(*result.warnings, *self._notes(objective.rows, *columns)))
            for result, *columns in zip(found, far, errors, allowed, strict=True)
        ]

    def _allowed(self, draws: Draws) -> Numbers:
        return np.asarray((self.tolerance or 0.0) * np.maximum(draws.sizes, self.floor))

    def _notes(
        self, places: NDArray[np.int64], far: NDArray[np.bool_], errors: Numbers, allowed: Numbers
    ) -> tuple[str, ...]:
        if not far.any():
            return ()
        pairs = zip(errors[far], allowed[far], strict=True)
        told = [f"{error:.2g} ({most:.2g})" for error, most in pairs]
        return (
            f"{self.maximum} samples did not bring the standard error of {examples(places[far])} to "
            f"what the tolerance allows: the largest is {listed(told)}, allowed in brackets. Raise "
            "maximum_samples or tolerance.",
        )
