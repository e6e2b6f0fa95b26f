"""Rank accuracy: how many of the highest places lie on the object."""

from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np

from backlight import Cost, Metric, Outcome, Subject
from backlight.evaluating.metric import Direction
from backlight_metrics.localisation import masks_of, where_there_is_an_object


@final
@dataclass(frozen=True, kw_only=True)
class RankAccuracy(Metric):
    """How many of the K highest places lie on the object, K being the number of the object's places.

        |top K of a within the mask| / K

    Arras, Osman, Samek, "CLEVR-XAI" (2022), section 3.3. Of places that share the value at the border of
    the top K, as many count as there is room for, each for the share of them on the object.

    Law: 1 for a map of the mask, the mask's share for a uniform one; an example with an empty mask has no
        value; it does not change where the map is put through a growing function.
    Cost: nothing.
    """

    direction: ClassVar[Direction | None] = "higher"
    range: ClassVar[tuple[float, float]] = (0.0, 1.0)
    needs_masks: ClassVar[bool] = True

    @property
    def unit(self) -> str:
        return "share of the top places"

    def cost(self, places: int) -> Cost:
        return Cost()

    def evaluate(self, subject: Subject) -> Outcome:
        masks, places = masks_of(subject), subject.places
        count = masks.sum(axis=1)
        ordered = -np.sort(-places, axis=1)
        border = ordered[np.arange(len(places)), np.maximum(count, 1) - 1][:, None]
        above, at = places > border, places == border
        room = count - above.sum(axis=1)
        hits = (above & masks).sum(axis=1) + room * (at & masks).sum(axis=1) / at.sum(axis=1)
        return Outcome(where_there_is_an_object(hits / np.maximum(count, 1), masks))
