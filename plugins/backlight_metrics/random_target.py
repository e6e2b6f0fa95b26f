"""Random target: does the map change with the class that it explains?"""

from dataclasses import dataclass, replace
from typing import ClassVar, final

import numpy as np
from numpy.typing import NDArray

from backlight import Cost, Metric, Outcome, Subject
from backlight.errors import TargetError
from backlight.evaluating.metric import Direction
from backlight.explaining.rows import take_rows
from backlight.scores.class_scores import ClassScore
from backlight.values.outputs import single
from backlight_metrics.similarity import rank_correlation

CLASSES = 17
"""Tells the stream of random classes from others of the seed."""


@final
@dataclass(frozen=True, kw_only=True)
class RandomTarget(Metric):
    """How alike the maps for the class explained and for another class are.

        rank correlation (Spearman) of the places of a(class k) and a(class j)

    j is drawn for each example among the other classes; of a contrast, it is the rival, and k's map is
    that of k alone. Near 1 the map shows what is in the picture, whatever is asked.

    Sixt, Granz, Landgraf, "When Explanations Lie" (2020), section 5, where it is called random logit
    and the similarity is SSIM.

    Law: -1 for a score whose classes are each other's negative, and the gradient; 1 for a map that does
        not look at the class.
    Cost: an explanation; two for a contrast.
    """

    direction: ClassVar[Direction | None] = "lower"
    beside_controls: ClassVar[bool] = False
    range: ClassVar[tuple[float, float]] = (-1.0, 1.0)

    @property
    def unit(self) -> str:
        return "rank correlation"

    def cost(self, places: int) -> Cost:
        return Cost(explanations=2)

    def evaluate(self, subject: Subject) -> Outcome:
        objective = subject.objective
        score = objective.target
        if not isinstance(score, ClassScore):
            raise TargetError(f"There is no other class for {score!r}: say a class or a margin.")
        own = subject.places
        if score.rivals is None:
            other = replace(score, k=self._drawn(subject, score))
        else:
            alone = replace(objective, target=replace(score, versus=None))
            own = subject.again(alone, 2)
            other = replace(score, k=score.rivals, versus=None)
        found = subject.again(replace(objective, target=other), 1)
        return Outcome(rank_correlation(own, found), {"class": other.classes})

    def _drawn(self, subject: Subject, score: ClassScore) -> NDArray[np.int64]:
        objective = subject.objective
        first = take_rows(objective.model, objective.inputs, np.arange(1))
        count = 2 if score.binary else single(objective.model.outputs(first), score.path).shape[1]
        if count < 2:
            raise TargetError("The model has one class: there is no other to explain.")
        steps = [
            int(subject.generator(CLASSES, int(row)).integers(1, count)) for row in objective.rows
        ]
        return np.asarray((score.classes + np.array(steps)) % count, dtype=np.int64)
