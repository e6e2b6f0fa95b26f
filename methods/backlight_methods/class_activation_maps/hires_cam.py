"""HiResCAM: weight_c(place) = g_c(place).

Draelos, Carin, "Use HiResCAM instead of Grad-CAM for faithful explanations" (2020), section 3.2.
"""

from dataclasses import dataclass
from typing import final

from backlight.values.arrays import Array, Arrays
from backlight_methods.class_activation_maps.class_activation_map import ClassActivationMap


@final
@dataclass(frozen=True, kw_only=True)
class HiResCAM(ClassActivationMap):
    """Each value weighted by its own gradient: what the model computed with it, to first order.

    Args:
        upsample: "bilinear" (default), "receptive_field", "nearest" or "none".
        channels: "sum" (default), or "keep" what each adds.
        axes: of the places, where the feature map is not laid out over the input.
        rectify: whether negative values are set to 0.
        backward: "gradient" (default), "guided_backprop" or "lrp": what stands for the gradient.

    Law: where the score is linear in the feature map, the values (not upsampled) sum to the score
        without its bias.
    Cost: one forward pass, and a backward pass down to the feature map.
    """

    @property
    def linear(self) -> bool:
        return self.keeps_signs

    def weights(self, activation: Array, gradient: Array, arrays: Arrays) -> Array:
        return gradient
