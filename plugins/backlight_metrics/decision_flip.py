"""Decision flip: how little must be removed until the model decides otherwise."""

from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np

from backlight import Outcome, Removals, Subject
from backlight.evaluating.metric import Direction
from backlight_metrics.removal import Removal, removed_counts


@final
@dataclass(frozen=True, kw_only=True)
class DecisionFlip(Removal):
    """The smallest share of the most relevant places whose removal turns the decision.

    In a contrast, target=Margin(k, versus=j), the decision is turned where k is no longer ahead of j: of
    a mistake's margin (predicted versus true), where the true class has caught up. Of another class
    score it is turned where another class is predicted.

    An example whose decision nothing turns, at any step, counts as 1; `turned` in the details says
    which were, and the table how many. One of a margin that is not ahead to begin with has no value.

    Args: see `Removal`; over several orders or baselines, it is the mean share.

    Law: for a net that decides by a patch alone, and a map that is higher there than anywhere else, it is
        the share of the patch that the decision needs; it does not change with the map's scale.
    Cost: a forward pass for each point.
    """

    direction: ClassVar[Direction | None] = "lower"
    range: ClassVar[tuple[float, float]] = (0.0, 1.0)
    steps: int = 50

    @property
    def unit(self) -> str:
        return "share of places"

    def removals(self, subject: Subject) -> list[Removals]:
        return self.walks(subject, ask="decision")

    def evaluate(self, subject: Subject) -> Outcome:
        removed = removed_counts(subject.layout.count, self.steps)
        shares = removed / removed[-1]
        values, turns = [], []
        for walk in self.removals(subject):
            for found in subject.perturbed.decided(walk):
                turned = found != found[0]
                turns.append(turned.any(axis=0))
                values.append(np.where(turns[-1], shares[turned.argmax(axis=0)], 1.0))
        value = np.mean(values, axis=0)
        if subject.objective.target.rivals is not None:
            value = np.where(subject.score > 0, value, np.nan)
        return Outcome(value, {"turned": np.mean(turns, axis=0) > 0.5})
