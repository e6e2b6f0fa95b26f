"""Deconvnet: the gradient with every rectifier applied to what goes back instead of to what went up.

Zeiler, Fergus, "Visualizing and Understanding Convolutional Networks" (2013), section 2.1:
R_in = 1[R_out > 0] R_out.
"""

from dataclasses import dataclass
from typing import final

from backlight_methods.gradients.rectifiers import DeconvnetRules, RectifierTechnique


@final
@dataclass(frozen=True, kw_only=True)
class Deconvnet(RectifierTechnique):
    """What a deconvolutional net reconstructs from the score.

    Args:
        all_rectifiers: also act at leaky, parametric and smooth rectifiers (SiLU, GELU, hard-swish
            ...), for which the paper defines nothing: positive gradients go on as they are.

    Law: on a net whose weights and activations are all positive, it is the gradient.
    Cost: one forward and one backward pass.
    """

    @property
    def rules(self) -> DeconvnetRules:
        return DeconvnetRules("Deconvnet", self.all_rectifiers)
