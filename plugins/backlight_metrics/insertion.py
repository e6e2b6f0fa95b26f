"""Insertion: how soon the score rises when the most relevant places are put back."""

from dataclasses import dataclass
from typing import ClassVar, final

from backlight import Outcome, Removals, Subject
from backlight.evaluating.metric import Direction
from backlight.evaluating.replacement import Replacement
from backlight_metrics.removal import Removal


@final
@dataclass(frozen=True, kw_only=True)
class Insertion(Removal):
    """How much of the score is there, on the way, as the most relevant places are put back.

        area under score(the baseline with the top share of the places as in x) over that share

    Petsiuk, Das, Saenko, "RISE" (2018), section 4.1: into a blurred picture, which may be recognised as
    it is. The `curve` is in the details, from nothing to all.

    Args: see `Removal`; the baseline is "blur" by default, as in the paper, and must be said for inputs
        whose places have no neighbours.

    Law: what is put back first is removed last: with one baseline, it is Deletion plus SRG.
    Cost: a forward pass for each point.
    """

    direction: ClassVar[Direction | None] = "higher"
    baseline: Replacement | None = "blur"

    def removals(self, subject: Subject) -> list[Removals]:
        return self.walks(subject, last=True)

    def evaluate(self, subject: Subject) -> Outcome:
        found = self.curves(subject, self.removals(subject))
        return Outcome(self.area(found, subject.layout.count), {"curve": found[:, ::-1]})
