"""Completeness gap: how far the values are from summing to what they should."""

from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np

from backlight import Cost, Metric, Outcome, Subject
from backlight.evaluating.metric import Direction


@final
@dataclass(frozen=True, kw_only=True)
class CompletenessGap(Metric):
    """How far the values are from summing to the score's change, as a share of that change.

        |sum a - (score(x) - score(b))| / |score(x) - score(b)|

    Sundararajan, Taly, Yan, "Axiomatic Attribution for Deep Networks" (2017), section 3. It is the
    technique's own gap, for its own baseline b: a technique that does not promise completeness has no
    value, and neither have controls, nor examples whose score does not change.

    Law: 0 for exact contributions; `Attribution.relative_gap`.
    Cost: nothing.
    """

    direction: ClassVar[Direction | None] = "lower"
    beside_controls: ClassVar[bool] = False
    range: ClassVar[tuple[float, float]] = (0.0, float("inf"))

    @property
    def unit(self) -> str:
        return "share of the score's change"

    def cost(self, places: int) -> Cost:
        return Cost()

    def evaluate(self, subject: Subject) -> Outcome:
        gap = subject.map.gap
        return Outcome(np.full(subject.count, np.nan) if gap is None else gap)
