"""Guided backprop: the gradient with negative parts cut off at every rectifier on the way back.

Springenberg, Dosovitskiy, Brox, Riedmiller, "Striving for Simplicity: The All Convolutional Net"
(2014), section 3.4 and figure 1: R_in = 1[x > 0] 1[R_out > 0] R_out.
"""

from dataclasses import dataclass
from typing import final

from backlight_methods.gradients.rectifiers import GuidedRules, RectifierTechnique


@final
@dataclass(frozen=True, kw_only=True)
class GuidedBackprop(RectifierTechnique):
    """The gradient that only ways of positive gradient through active rectifiers let through.

    Args:
        all_rectifiers: also act at leaky, parametric and smooth rectifiers (SiLU, GELU, hard-swish
            ...), for which the paper defines nothing: positive gradients go on, times the
            activation's own derivative. Where a model has no rectifier, this is needed.

    Law: on a net whose weights and activations are all positive, it is the gradient.
    Cost: one forward and one backward pass.

    Sharpness is not faithfulness: Adebayo et al., "Sanity Checks for Saliency Maps" (2018), find these
    maps hardly depend on the upper layers' weights.
    """

    @property
    def rules(self) -> GuidedRules:
        return GuidedRules("Guided backprop", self.all_rectifiers)
