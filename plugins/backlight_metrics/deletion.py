"""Deletion: how soon the score falls when the most relevant places are removed."""

from dataclasses import dataclass
from typing import ClassVar, final

from backlight import Outcome, Removals, Subject
from backlight.evaluating.metric import Direction
from backlight_metrics.removal import Removal


@final
@dataclass(frozen=True, kw_only=True)
class Deletion(Removal):
    """How much of the score is left, on the way, as the most relevant places are removed.

        area under score(x with the top share of the places replaced) over that share

    Petsiuk, Das, Saenko, "RISE" (2018), section 4.1, where the score is a probability: say
    target=Probability(k). Areas of two examples are comparable only where their scores are, and another
    baseline may order techniques otherwise (see SRG). The `curve` is in the details.

    Args: see `Removal`.

    Law: for a score that is a sum over places, no map has less than the exact contributions.
    Cost: a forward pass for each point.
    """

    direction: ClassVar[Direction | None] = "lower"

    def removals(self, subject: Subject) -> list[Removals]:
        return self.walks(subject)

    def evaluate(self, subject: Subject) -> Outcome:
        found = self.curves(subject, self.removals(subject))
        return Outcome(self.area(found, subject.layout.count), {"curve": found})
