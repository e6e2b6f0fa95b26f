"""XGrad-CAM: weight_c = sum over places of g_c A_c / sum over places of A_c.

Fu et al., "Axiom-based Grad-CAM" (2020), equation 9.
"""

from dataclasses import dataclass
from typing import final

from backlight.values.arrays import Array, Arrays
from backlight_methods.class_activation_maps.class_activation_map import ClassActivationMap


@final
@dataclass(frozen=True, kw_only=True)
class XGradCAM(ClassActivationMap):
    """Each channel weighted by its gradient's mean where the channel is active.

    Args:
        upsample: "bilinear" (default), "receptive_field", "nearest" or "none".
        channels: "sum" (default), or "keep" what each adds.
        axes: of the places, where the feature map is not laid out over the input.
        rectify: whether negative values are set to 0.
        backward: "gradient" (default), "guided_backprop" or "lrp": what stands for the gradient.

    Law: the values (not upsampled) sum to those of HiResCAM, if no channel sums to 0.
    Cost: one forward pass, and a backward pass down to the feature map.
    """

    @property
    def linear(self) -> bool:
        return self.keeps_signs

    def weights(self, activation: Array, gradient: Array, arrays: Arrays) -> Array:
        weighted = arrays.sum(gradient * activation, axis=1, keepdims=True)
        total = arrays.sum(activation, axis=1, keepdims=True)
        # A channel that is 0 everywhere adds nothing, whatever its weight.
        some = arrays.abs(total) > 0
        nothing = arrays.zeros_like(total)
        return arrays.where(some, weighted / arrays.where(some, total, nothing + 1), nothing)
