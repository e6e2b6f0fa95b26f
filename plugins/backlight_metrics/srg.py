"""SRG: removal of the least relevant places first, beside that of the most relevant."""

from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np

from backlight import Cost, Outcome, Removals, Subject
from backlight.evaluating.metric import Direction
from backlight_metrics.removal import Removal, removed_counts


@final
@dataclass(frozen=True, kw_only=True)
class SRG(Removal):
    """How much longer the score lasts when the least relevant places are removed first than when the
    most relevant are.

        SRG = area(least relevant first) - area(most relevant first)

    each the area under score(x with a share of the places replaced) over that share. The curves are in
    the details, `most_relevant_first` and `least_relevant_first`, (n, points), with their `shares`.

    Blücher, Vielhaben, Strodthoff, "Decoupling Pixel Flipping and Occlusion Strategy for Consistent XAI
    Benchmarks" (2024): the difference orders techniques alike for any replacement, which either area
    alone does not.

    Args: see `Removal`.

    Law: for a score that is a sum over P places, removed one by one, and a map of their exact
        contributions c, it is the sum over ranks r = 0 ... P - 1 of c_r (P - 1 - 2 r) / P, the most that
        any map has. A map's negative has minus its value, and one without differences has 0 on average.
    Cost: two forward passes for each point.
    """

    direction: ClassVar[Direction | None] = "higher"

    def cost(self, places: int) -> Cost:
        return Cost(forwards=2 * len(removed_counts(places, self.steps)))

    def removals(self, subject: Subject) -> list[Removals]:
        return [*self.walks(subject), *self.walks(subject, last=True)]

    def evaluate(self, subject: Subject) -> Outcome:
        places = subject.layout.count
        first, last = (
            self.curves(subject, self.walks(subject, last=last)) for last in (False, True)
        )
        shares = np.broadcast_to(removed_counts(places, self.steps) / places, first.shape)
        return Outcome(
            self.area(last - first, places),
            {"most_relevant_first": first, "least_relevant_first": last, "shares": shares},
        )
