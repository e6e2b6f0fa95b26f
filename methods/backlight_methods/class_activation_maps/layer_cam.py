"""LayerCAM: weight_c(place) = max(g_c(place), 0).

Jiang et al., "LayerCAM: Exploring Hierarchical Class Activation Maps" (2021), equations 5 and 6.
"""

from dataclasses import dataclass
from typing import final

from backlight.values.arrays import Array, Arrays
from backlight_methods.class_activation_maps.class_activation_map import ClassActivationMap


@final
@dataclass(frozen=True, kw_only=True)
class LayerCAM(ClassActivationMap):
    """Each value weighted by its own gradient where that is positive.

    Args:
        upsample: "bilinear" (default), "receptive_field", "nearest" or "none".
        channels: "sum" (default), or "keep" what each adds.
        axes: of the places, where the feature map is not laid out over the input.
        rectify: whether negative values are set to 0.
        backward: "gradient" (default), "guided_backprop" or "lrp": what stands for the gradient.

    Law: where no gradient is negative, it equals HiResCAM.
    Cost: one forward pass, and a backward pass down to the feature map.
    """

    def weights(self, activation: Array, gradient: Array, arrays: Arrays) -> Array:
        return arrays.maximum(gradient, arrays.zeros_like(gradient))
