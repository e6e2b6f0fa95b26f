"""Grad-CAM: weight_c = mean over places of g_c.

Selvaraju et al., "Grad-CAM: Visual Explanations from Deep Networks" (2016), equations 1 and 2.
"""

from dataclasses import dataclass
from typing import final

from backlight.values.arrays import Array, Arrays
from backlight_methods.class_activation_maps.class_activation_map import ClassActivationMap


@final
@dataclass(frozen=True, kw_only=True)
class GradCAM(ClassActivationMap):
    """Each channel weighted by its gradient's mean over all places.

    Args:
        upsample: "bilinear" (default), "receptive_field", "nearest" or "none".
        channels: "sum" (default), or "keep" what each adds.
        axes: of the places, where the feature map is not laid out over the input.
        rectify: whether negative values are set to 0.
        backward: "gradient" (default), "guided_backprop" or "lrp": what stands for the gradient.

    Law: for a net that ends in global average pooling and a linear layer, the values (not upsampled)
        sum to the score without its bias.
    Cost: one forward pass, and a backward pass down to the feature map.
    """

    @property
    def linear(self) -> bool:
        return self.keeps_signs

    def weights(self, activation: Array, gradient: Array, arrays: Arrays) -> Array:
        return arrays.mean(gradient, axis=1, keepdims=True)
