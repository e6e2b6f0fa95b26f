"""Input x gradient: x * d score / d x.

Shrikumar, Greenside, Shcherbina, Kundaje, "Not Just a Black Box" (2016), section 2.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

from backlight import JointMethod, Objective, Result, Score
from backlight.values.tree import map_leaves


@final
@dataclass(frozen=True, kw_only=True)
class InputXGradient(JointMethod):
    """The input times the gradient of the score: the score's first-order change when x goes to 0.

    Law: for a model linear in x and without bias, the values sum to the score.
    Cost: one forward and one backward pass.
    """

    @property
    def linear(self) -> bool:
        return True

    @property
    def joins_sites(self) -> bool:
        return True

    def attribute_each(self, objective: Objective, targets: Sequence[Score]) -> list[Result]:
        return [
            Result(map_leaves(lambda x, g: x * g, found.value, found.gradient), found.score)
            for found in objective.gradients(targets)
        ]
