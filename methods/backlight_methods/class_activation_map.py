"""Class activation maps: a feature map's channels, weighted by what the score's gradient says of them.

    map(place) = sum over channels c of weight_c(place) * A_c(place)

The techniques differ in the weights alone. Values are raw and signed; the papers' ReLU is the option
`rectify`.
"""

from abc import abstractmethod
from dataclasses import dataclass
from math import prod
from typing import Literal

from backlight import Evidence, Method, Objective
from backlight.arrays import Array, Arrays, shape_of
from backlight.errors import SiteError, require
from backlight.resize import resize
from backlight.tree import leaves


@dataclass(frozen=True, kw_only=True)
class ClassActivationMap(Method):
    """What the techniques of the family share; each adds its weights.

    Args:
        upsample: how the map is brought to the input's places: "bilinear" (the papers'), "nearest",
            or "none" to keep the feature map's own places.
        rectify: whether negative values are set to 0 at the end (before upsampling), as in the papers.
    """

    upsample: Literal["bilinear", "nearest", "none"] = "bilinear"
    rectify: bool = False

    def __post_init__(self) -> None:
        known = ("bilinear", "nearest", "none")
        require(isinstance(self.rectify, bool), self, "rectify", "True or False")
        require(self.upsample in known, self, "upsample", "'bilinear', 'nearest' or 'none'")

    @property
    def spatial(self) -> bool:
        return True

    @abstractmethod
    def weights(self, activation: Array, gradient: Array, arrays: Arrays) -> Array:
        """Weights that broadcast against the activation: both are (N, places, channels)."""

    def attribute(self, objective: Objective) -> Evidence:
        found = objective.gradient()
        (value,), (slope,) = leaves(found.value), leaves(found.gradient)
        layout, target = objective.layout_of(value), objective.input_layout
        if layout is None or target is None:
            raise SiteError(
                f"The site {objective.at!r} of shape {shape_of(value)} is not laid out over the input; "
                "a class activation map needs a feature map or a grid of tokens."
            )
        arrays = objective.arrays
        flat = (objective.count, prod(layout.grid), -1)
        activation = arrays.reshape(layout.channels_last(value, arrays), flat)
        gradient = arrays.reshape(layout.channels_last(slope, arrays), flat)
        weighted = self.weights(activation, gradient, arrays) * activation
        maps = arrays.reshape(arrays.sum(weighted, axis=-1), (objective.count, *layout.grid))
        if self.rectify:
            maps = arrays.maximum(maps, arrays.zeros_like(maps))
        if self.upsample != "none":
            maps = resize(maps, target.grid, self.upsample, objective.model)
        return Evidence(maps, found.score)
