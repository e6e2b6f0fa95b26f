"""Sparseness: how unequally a map is shared among the places."""

from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np

from backlight import Cost, Metric, Outcome, Subject


@final
@dataclass(frozen=True, kw_only=True)
class Sparseness(Metric):
    """How unequally a map is shared among the places: 0 for all alike, 1 - 1/n for one place of n.

        Gini index = sum_i (2 i - n - 1) |a|_(i) / (n sum |a|),    |a|_(1) <= ... <= |a|_(n)

    over the n places, channels summed. Chalasani, Chen, Chowdhury, Jha, Wu, "Concise Explanations of
    Neural Networks using Adversarial Training" (2020), section 5. Neither end is better: see Complexity.

    Law: it does not change with the map's scale, signs or order; a map of zeros has no value.
    Cost: nothing.
    """

    range: ClassVar[tuple[float, float]] = (0.0, 1.0)

    @property
    def unit(self) -> str:
        return "Gini index"

    def cost(self, places: int) -> Cost:
        return Cost()

    def evaluate(self, subject: Subject) -> Outcome:
        size = np.sort(np.abs(subject.places), axis=1)
        n = size.shape[1]
        weights = 2 * np.arange(1, n + 1) - n - 1
        with np.errstate(invalid="ignore"):  # a map of zeros gives NaN, which is what it has
            return Outcome((weights * size).sum(axis=1) / (n * size.sum(axis=1)))
