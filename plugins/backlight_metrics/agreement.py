"""Agreement: how alike the techniques' maps are."""

import warnings
from dataclasses import dataclass
from typing import ClassVar, Literal, final

import numpy as np

from backlight import Cost, Metric, Outcome, Subject
from backlight.errors import is_one_of, is_real, require
from backlight_metrics.similarity import rank_correlation, top_overlap


@final
@dataclass(frozen=True, kw_only=True)
class Agreement(Metric):
    """How alike the map is to those of the other techniques in the table, on average.

        mean over the other techniques of the rank correlation (Spearman) of places

    or of the share of the top places that both maps have. The details have each other technique by name.
    Techniques that agree may be wrong together: neither end is better. A control's is with the
    techniques. Krishna, Han, Gu, Wu, Jabbari, Lakkaraju, "The Disagreement Problem in Explainable
    Machine Learning" (2022), section 3.

    Args:
        measure: "rank", or "overlap" of the top places.
        share: which share of the places is on top.

    Law: 1 for equal maps, and for a map put through a growing function; -1 for a map and its negative,
        by rank.
    Cost: nothing.
    """

    range: ClassVar[tuple[float, float]] = (-1.0, 1.0)
    measure: Literal["rank", "overlap"] = "rank"
    share: float = 0.1

    def __post_init__(self) -> None:
        known = is_one_of(self.measure, ("rank", "overlap"))
        require(known, self, "measure", "'rank' or 'overlap'")
        fits = is_real(self.share) and 0 < self.share <= 1
        require(fits, self, "share", "above 0 and at most 1")

    @property
    def unit(self) -> str:
        return (
            "rank correlation" if self.measure == "rank" else f"share of the top {self.share:.0%}"
        )

    def cost(self, places: int) -> Cost:
        return Cost()

    def evaluate(self, subject: Subject) -> Outcome:
        own = subject.places
        found = {
            f"with {name}": rank_correlation(own, other)
            if self.measure == "rank"
            else top_overlap(own, np.where(np.isfinite(other), other, 0.0), self.share)
            for name, other in subject.others.items()
        }
        if not found:
            return Outcome(np.full(subject.count, np.nan))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # no other map to compare with: NaN
            return Outcome(np.nanmean([*found.values()], axis=0), found)
