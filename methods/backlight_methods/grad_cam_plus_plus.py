"""Grad-CAM++: weight_c = sum over places of alpha_c max(g_c, 0), alpha_c = g^2 / (2 g^2 + sum A_c g^3).

Chattopadhay et al., "Grad-CAM++" (2018), equations 7 and 19 (of exp(score), whose factor is left out).
"""

from dataclasses import dataclass
from typing import final

from backlight.arrays import Array, Arrays
from backlight_methods.class_activation_map import ClassActivationMap


@final
@dataclass(frozen=True, kw_only=True)
class GradCAMPlusPlus(ClassActivationMap):
    """Grad-CAM with each place's share chosen so that several instances of a class count alike.

    Args:
        upsample: "bilinear" (default), "nearest" or "none".
        rectify: whether negative values are set to 0.
        backward: "gradient" (default), "guided_backprop" or "lrp": what stands for the gradient.

    Law: the weights are at least 0, and a channel whose gradient is nowhere positive has none.
    Cost: one forward pass, and a backward pass down to the feature map.
    """

    def weights(self, activation: Array, gradient: Array, arrays: Arrays) -> Array:
        square = gradient * gradient
        cube = arrays.sum(activation, axis=1, keepdims=True) * (square * gradient)
        below = 2 * square + cube
        # No gradient, no share: 0 / 0 is meant to be 0 there.
        some = arrays.abs(below) > 0
        nothing = arrays.zeros_like(below)
        alpha = arrays.where(some, square / arrays.where(some, below, nothing + 1), nothing)
        positive = arrays.maximum(gradient, nothing)
        return arrays.sum(alpha * positive, axis=1, keepdims=True)
