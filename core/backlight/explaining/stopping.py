"""How many samples an estimate of a game is made of: as many as were said, or as its errors need."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from backlight.explaining.completeness import listed
from backlight.explaining.game import Estimate, Game, Numbers


@final
@dataclass(frozen=True)
class Stopping:
    """How many samples there are to be.

    Attributes:
        samples: at first.
        tolerance: more are added, for the examples that need them, until the largest standard error is at
            most this share of the score's change; None for no more.
        floor: what the share is taken of at least, where the score hardly changes; in the score's units.
        maximum: where adding ends.
    """

    samples: int
    tolerance: float | None
    floor: float
    maximum: int

    def run(self, game: Game, estimate: Callable[[Game, int], Estimate]) -> Estimate:
        """An estimate with as many samples as it takes, which is another number for each target and
        example: what an example has depends neither on the others nor on other targets."""
        found, samples = estimate(game, self.samples), self.samples
        if self.tolerance is None or found.standard_error is None:
            return found
        values, errors = found.values, found.standard_error
        fits = None if found.r_squared is None else found.r_squared.copy()
        allowed = self.tolerance * np.maximum(np.abs(game.change), self.floor)
        far = ~(errors.max(axis=2) <= allowed)
        part, rows = game, np.arange(game.objective.count)
        while far.any() and samples < self.maximum:
            samples = min(2 * samples, self.maximum)
            still = far[:, rows].any(axis=0)
            if not (still.all() or game.objective.whole):
                part, rows = part.take(np.flatnonzero(still)), rows[still]
            more = estimate(part, samples)
            assert more.standard_error is not None
            pending = far[:, rows]
            for old, new in (
                (values, more.values),
                (errors, more.standard_error),
                (fits, more.r_squared),
            ):
                if old is not None and new is not None:
                    some = old[:, rows]
                    some[pending] = new[pending]
                    old[:, rows] = some
            far = far & ~(errors.max(axis=2) <= allowed)
        warnings = tuple(
            self._notes(game, far[number], errors[number].max(axis=1), allowed[number])
            for number in range(len(far))
        )
        return Estimate(values, errors, fits, found.complete, warnings)

    def _notes(
        self, game: Game, far: NDArray[np.bool_], errors: Numbers, allowed: Numbers
    ) -> tuple[str, ...]:
        rows = np.flatnonzero(far)
        if not len(rows):
            return ()
        told = [
            f"{one:.2g} ({most:.2g})" for one, most in zip(errors[rows], allowed[rows], strict=True)
        ]
        which = listed([str(row) for row in game.objective.rows[rows].tolist()])
        return (
            f"{self.maximum} samples did not bring the standard error of example"
            f"{'s' if len(rows) > 1 else ''} {which} to what the tolerance allows: the largest is "
            f"{listed(told)}, allowed in brackets. Raise maximum_samples or tolerance.",
        )
