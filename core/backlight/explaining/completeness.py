"""How far attributions are from summing to the change of the score, and when that deserves a word."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from typing import final

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]

LARGE = 0.1
"""The relative gap above which a sum is called off."""

STANDARD_ERRORS = 3.0
"""How far chance may take the sum of a sampled technique, in standard errors."""

HARDLY = 0.05
"""A change of the score below this share of the values' absolute sum is next to nothing: what speaks
for the score and what speaks against it cancel."""

ROUNDING = 8.0
"""How many units in the last place of the scores and of the values' absolute sum a sum may be off by the
rounding of one operation, in the passes over the inputs and the baseline and in the one back."""


@final
@dataclass(frozen=True)
class Sums:
    """What completeness is measured by, one number per example, shape (N,) each.

    Attributes:
        gap: |sum of values - change|.
        change: |score - baseline score|.
        scores: |score| + |baseline score|, whose rounding the change has.
        size: sum of |values|.
        precision: the distance from 1 to the next number of the dtype that the net computes in.
        standard_error: of the sum, where samples were drawn.
        operations: how many lie between the inputs and the scores, as far as is known.
    """

    gap: Numbers
    change: Numbers
    scores: Numbers
    size: Numbers
    precision: float
    standard_error: Numbers | None = None
    operations: int = 1


def rounding(sums: Sums) -> NDArray[np.float64]:
    """How far each example's values may be off by rounding alone: errors of n operations that know
    nothing of each other add up to sqrt(n) times that of one (Higham, Mary, "A new approach to
    probabilistic rounding error analysis", 2019)."""
    return ROUNDING * sqrt(sums.operations) * sums.precision * (sums.size + sums.scores)


def incomplete(sums: Sums) -> NDArray[np.bool_]:
    """Which examples' values are off by more than a tenth of the change, or, of a sampled technique,
    by more than chance explains. Where next to nothing was to be summed up to, a change of `HARDLY`
    times the values' absolute sum is taken instead; what rounding alone can do does not count."""
    least = LARGE * HARDLY * sums.size + rounding(sums)
    if sums.standard_error is None:
        allowed = LARGE * sums.change
    else:
        allowed = STANDARD_ERRORS * sums.standard_error
    return np.asarray(sums.gap > np.maximum(allowed, least))


def gap_notes(sums: Sums, advice: str | None) -> tuple[str, ...]:
    """A sentence for examples whose sums are off, and one for those where nothing was to be summed
    up to. None where the technique gives no advice: a gap is no fault of it then."""
    if advice is None:
        return ()
    lost = ~np.isfinite(sums.gap)
    off = incomplete(sums) & ~lost
    hardly = off & (sums.change < HARDLY * sums.size)
    notes = []
    if lost.any():
        notes.append(
            f"The score of {examples(np.flatnonzero(lost))} is not finite at the baseline: whether the "
            "values sum to its change cannot be told, and they may mean nothing. Compare with another "
            "baseline."
        )
    if (off & ~hardly).any():
        rows = np.flatnonzero(off & ~hardly)
        if sums.standard_error is None:
            told = [f"{share:.2g}" for share in sums.gap[rows] / sums.change[rows]]
            how = "the gap, relative to that change, is"
        else:
            errors, infinite = sums.standard_error[rows], np.full(len(rows), np.inf)
            shares = np.divide(sums.gap[rows], errors, out=infinite, where=errors > 0)
            told = [f"{share:.2g}" for share in shares]
            how = "the gap, in standard errors, is"
        notes.append(
            f"The values of {examples(rows)} do not sum to the change of the score from the baseline: "
            f"{how} {listed(told)}. {advice}"
        )
    if hardly.any():
        rows = np.flatnonzero(hardly)
        notes.append(
            f"The score of {examples(rows)} hardly differs from the baseline's (by "
            f"{listed([f'{one:.2g}' for one in sums.change[rows]])}), so that a relative gap says "
            f"little; the values, of the absolute sum {listed([f'{one:.2g}' for one in sums.size[rows]])}"
            f", are off by {listed([f'{one:.2g}' for one in sums.gap[rows]])} in all. {advice}"
        )
    return tuple(notes)


MOST = 5


def examples(rows: Sequence[int] | NDArray[np.int64], most: int = MOST) -> str:
    """`example 3`, `examples 3, 5`, `examples 3, 5, 7, 9, 11 and 12 more`."""
    return f"example{'s' if len(rows) > 1 else ''} {listed([str(row) for row in rows], most)}"


def listed(texts: Sequence[str], most: int = MOST) -> str:
    """The first few, `and N more`."""
    shown = ", ".join(texts[:most])
    return f"{shown} and {len(texts) - most} more" if len(texts) > most else shown
