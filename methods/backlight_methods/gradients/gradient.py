"""Gradient: d score / d x, as it is.

Simonyan, Vedaldi, Zisserman, "Deep Inside Convolutional Networks" (2013), section 3, before the
absolute value.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

from backlight import JointMethod, Objective, Result, Score


@final
@dataclass(frozen=True, kw_only=True)
class Gradient(JointMethod):
    """The gradient of the score.

    Law: of a model that is linear in x, it is the model's weight, whatever x is.
    Cost: one forward and one backward pass.
    """

    @property
    def linear(self) -> bool:
        return True

    @property
    def joins_sites(self) -> bool:
        return True

    def attribute_each(self, objective: Objective, targets: Sequence[Score]) -> list[Result]:
        return [Result(found.gradient, found.score) for found in objective.gradients(targets)]
