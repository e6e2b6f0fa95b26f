"""Complexity: over how many places a map spreads."""

from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np

from backlight import Cost, Metric, Outcome, Subject


@final
@dataclass(frozen=True, kw_only=True)
class Complexity(Metric):
    """Over how much of the input a map spreads: 0 for one place, 1 for all places alike.

        -sum p_i ln p_i / ln n,    p_i = |a_i| / sum |a|

    over the n places, channels summed. Bhatt, Weller, Moura, "Evaluating and Aggregating Feature-based
    Model Explanations" (2020), section 3.3, divided by ln n, so that pictures of two sizes compare. A
    short map is easy to read and may be wrong: neither end is better, and nothing is said of the model.

    Law: it does not change with the map's scale, signs or order; a map of zeros has no value.
    Cost: nothing.
    """

    range: ClassVar[tuple[float, float]] = (0.0, 1.0)

    @property
    def unit(self) -> str:
        return "entropy / ln n"

    def cost(self, places: int) -> Cost:
        return Cost()

    def evaluate(self, subject: Subject) -> Outcome:
        size = np.abs(subject.places)
        total = size.sum(axis=1, keepdims=True)
        with np.errstate(invalid="ignore", divide="ignore"):
            share = size / total  # a map of zeros gives NaN, which is what it has
            entropy = -np.where(share == 0, 0.0, share * np.log(share)).sum(axis=1)
            return Outcome(entropy / np.log(size.shape[1]))
