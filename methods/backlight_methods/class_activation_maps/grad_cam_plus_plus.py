"""Grad-CAM++: weight_c = sum over places of alpha_c max(g_c, 0), alpha_c = g^2 / (2 g^2 + sum A_c g^3).

Chattopadhay et al., "Grad-CAM++" (2018), equations 7 and 19 (of exp(score), whose factor is left out).
For maps that are nowhere negative, as behind a rectifier; where one is, its sum could make the
denominator 0 or negative and a weight as large as it likes, so what is negative counts as 0 there.
"""

from dataclasses import dataclass
from typing import final

from backlight.values.arrays import Array, Arrays
from backlight_methods.class_activation_maps.class_activation_map import ClassActivationMap
from backlight_methods.signs import positive


@final
@dataclass(frozen=True, kw_only=True)
class GradCAMPlusPlus(ClassActivationMap):
    """Grad-CAM with each place's share chosen so that several instances of a class count alike.

    Args:
        upsample: "bilinear" (default), "receptive_field", "nearest" or "none".
        channels: "sum" (default), or "keep" what each adds.
        axes: of the places, where the feature map is not laid out over the input.
        rectify: whether negative values are set to 0.
        backward: "gradient" (default), "guided_backprop" or "lrp": what stands for the gradient.

    Law: the weights are at least 0, and a channel whose gradient is nowhere positive has none.
    Cost: one forward pass, and a backward pass down to the feature map.
    """

    def weights(self, activation: Array, gradient: Array, arrays: Arrays) -> Array:
        # alpha is 1 / (2 + sum A_c g); where g is not positive, it does not matter.
        upper = positive(gradient, arrays)
        total = arrays.sum(positive(activation, arrays), axis=1, keepdims=True)
        return arrays.sum(upper / (2.0 + total * upper), axis=1, keepdims=True)
