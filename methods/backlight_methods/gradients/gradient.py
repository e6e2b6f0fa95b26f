"""Gradient: d score / d x, as it is.

Simonyan, Vedaldi, Zisserman, "Deep Inside Convolutional Networks" (2013), section 3, before the
absolute value.
"""

from dataclasses import dataclass
from typing import final

from backlight import Method, Objective, Result


@final
@dataclass(frozen=True, kw_only=True)
class Gradient(Method):
    """The gradient of the score.

    Law: of a model that is linear in x, it is the model's weight, whatever x is.
    Cost: one forward and one backward pass.
    """

    @property
    def linear(self) -> bool:
        return True

    def attribute(self, objective: Objective) -> Result:
        found = objective.gradient()
        return Result(found.gradient, found.score)
