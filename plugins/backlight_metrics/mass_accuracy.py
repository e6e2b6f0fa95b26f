"""Mass accuracy: how much of what speaks for the score lies on the object."""

from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np

from backlight import Cost, Metric, Outcome, Subject
from backlight.evaluating.metric import Direction
from backlight_metrics.localisation import masks_of, where_there_is_an_object


@final
@dataclass(frozen=True, kw_only=True)
class MassAccuracy(Metric):
    """How much of what speaks for the score lies on the object.

        sum of max(a_i, 0) over the mask / sum of max(a_i, 0)

    over the places, whose channels are summed before negative ones are left out. Arras, Osman, Samek,
    "CLEVR-XAI" (2022), section 3.3. It grows with the object: compare with the control `uniform`, which
    is the mask's share of the places.

    Law: 1 for a map of the mask, the mask's share for a uniform one; an example with an empty mask has no
        value, nor has one for which nothing speaks.
    Cost: nothing.
    """

    direction: ClassVar[Direction | None] = "higher"
    range: ClassVar[tuple[float, float]] = (0.0, 1.0)
    needs_masks: ClassVar[bool] = True

    @property
    def unit(self) -> str:
        return "share of the positive values"

    def cost(self, places: int) -> Cost:
        return Cost()

    def evaluate(self, subject: Subject) -> Outcome:
        masks, positive = masks_of(subject), np.maximum(subject.places, 0)
        with np.errstate(invalid="ignore"):  # where nothing speaks for the score: NaN
            share = (positive * masks).sum(axis=1) / positive.sum(axis=1)
        return Outcome(where_there_is_an_object(share, masks))
