"""Deconvnet: the gradient with every rectifier applied to what goes back instead of to what went up.

Zeiler, Fergus, "Visualizing and Understanding Convolutional Networks" (2013), section 2.1:
R_in = 1[R_out > 0] R_out.
"""

from dataclasses import dataclass
from typing import final

from backlight import Evidence, Method, Objective
from backlight.errors import require
from backlight_methods.rectifiers import DeconvnetRules


@final
@dataclass(frozen=True, kw_only=True)
class Deconvnet(Method):
    """What a deconvolutional net reconstructs from the score.

    Args:
        all_rectifiers: also act at leaky, parametric and smooth rectifiers (SiLU, GELU, hard-swish
            ...), for which the paper defines nothing: positive gradients go on as they are.

    Law: on a net whose weights and activations are all positive, it is the gradient.
    Cost: one forward and one backward pass.
    """

    all_rectifiers: bool = False

    def __post_init__(self) -> None:
        known = isinstance(self.all_rectifiers, bool)
        require(known, self, "all_rectifiers", "True or False")

    @property
    def rules(self) -> DeconvnetRules:
        return DeconvnetRules("Deconvnet", self.all_rectifiers)

    def attribute(self, objective: Objective) -> Evidence:
        found = objective.ruled(self.rules)
        return Evidence(found.gradient, found.score, warnings=self.rules.notes(found.operations))
