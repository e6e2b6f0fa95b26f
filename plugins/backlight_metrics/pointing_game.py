"""Pointing game: does the map's highest place lie on the object?"""

from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np
from numpy.typing import NDArray

from backlight import Cost, Metric, Outcome, Subject
from backlight.errors import InputError, is_real, require
from backlight.evaluating.metric import Direction
from backlight_metrics.localisation import masks_of, where_there_is_an_object


@final
@dataclass(frozen=True, kw_only=True)
class PointingGame(Metric):
    """Whether the map's highest place lies on the object; the mean is the share of hits.

    Zhang, Bargal, Lin, Brandt, Shen, Sclaroff, "Top-down Neural Attention by Excitation Backprop"
    (2018), section 4.2, with a tolerance of 15 pixels there. Several places of the same highest value
    count as the share of them that hit. The controls matter here: objects lie in the middle.

    Args:
        tolerance: how far from the object is still on it, in places (Euclidean).

    Law: a map of the mask hits; a map without differences hits with the share of the mask (tolerance
        0); an example with an empty mask has no value.
    Cost: nothing.
    """

    direction: ClassVar[Direction | None] = "higher"
    range: ClassVar[tuple[float, float]] = (0.0, 1.0)
    needs_masks: ClassVar[bool] = True
    tolerance: float = 0.0

    def __post_init__(self) -> None:
        fits = is_real(self.tolerance) and self.tolerance >= 0
        require(fits, self, "tolerance", "at least 0")

    @property
    def unit(self) -> str:
        return "share of hits"

    def cost(self, places: int) -> Cost:
        return Cost()

    def evaluate(self, subject: Subject) -> Outcome:
        masks, places = masks_of(subject), subject.places
        near = np.stack([self._near(mask, subject) for mask in masks]) if self.tolerance else masks
        highest = places == places.max(axis=1, keepdims=True)
        share = (highest & near).sum(axis=1) / highest.sum(axis=1)
        return Outcome(where_there_is_an_object(share, masks))

    def _near(self, mask: NDArray[np.bool_], subject: Subject) -> NDArray[np.bool_]:
        from scipy.ndimage import distance_transform_edt

        parts = subject.layout.parts
        if len(parts) > 1 or not parts[0].is_grid:
            raise InputError(
                "PointingGame.tolerance needs one input whose places have neighbours; say tolerance=0."
            )
        if not mask.any():
            return mask
        distance = distance_transform_edt(~mask.reshape(parts[0].grid))
        return np.asarray(distance <= self.tolerance).reshape(-1)
