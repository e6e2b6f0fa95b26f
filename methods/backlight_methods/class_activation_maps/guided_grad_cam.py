"""Guided Grad-CAM: guided backprop times the Grad-CAM map, place by place.

Selvaraju et al., "Grad-CAM: Visual Explanations from Deep Networks" (2016), section 3.2.
"""

from dataclasses import dataclass
from typing import Literal, final

from backlight import Method, Objective, Result
from backlight.errors import is_one_of, require
from backlight.explaining.spatial import grid_at
from backlight.values.tree import leaves, names, rebuild
from backlight_methods.class_activation_maps.grad_cam import GradCAM
from backlight_methods.gradients.guided_backprop import GuidedBackprop
from backlight_methods.gradients.rectifiers import GuidedRules


@final
@dataclass(frozen=True, kw_only=True)
class GuidedGradCAM(Method):
    """Guided backprop at the input, kept where Grad-CAM at `at` (the last feature map) is positive.

    Of several inputs the map lies over one, the first that the net's operations show to have places.
    The others have no place that it could weigh: their values are guided backprop, as a warning says.

    Args:
        upsample: how the map is brought to the input's places: "bilinear" (the paper's),
            "receptive_field" (where its cells look, see `ClassActivationMap`) or "nearest" (Captum's).
        rectify: whether the map's negative values count as 0, as in the paper.
        all_rectifiers: as of guided backprop.

    Law: 0 wherever the rectified, upsampled Grad-CAM map is 0; guided backprop where it is 1.
    Cost: two forward passes, a backward pass, and one down to the feature map.
    """

    upsample: Literal["bilinear", "receptive_field", "nearest"] = "bilinear"
    rectify: bool = True
    all_rectifiers: bool = False

    def __post_init__(self) -> None:
        known = ("bilinear", "receptive_field", "nearest")
        said = "'bilinear', 'receptive_field' or 'nearest'"
        require(is_one_of(self.upsample, known), self, "upsample", said)
        require(isinstance(self.rectify, bool), self, "rectify", "True or False")
        switch = isinstance(self.all_rectifiers, bool)
        require(switch, self, "all_rectifiers", "True or False")

    @property
    def spatial(self) -> bool:
        return True

    @property
    def rules(self) -> GuidedRules:
        return GuidedBackprop(all_rectifiers=self.all_rectifiers).rules

    @property
    def rules_reach_input(self) -> bool:
        return True

    def attribute(self, objective: Objective) -> Result:
        cam = GradCAM(upsample=self.upsample, rectify=self.rectify).attribute(objective)
        guided = objective.at_site(None).ruled(self.rules)
        (weight,), gradients = leaves(cam.values), leaves(guided.gradient)
        grid = grid_at(objective)
        if grid is None:
            raise AssertionError("unreachable: Grad-CAM needs a value with places")
        for axis in range(1, gradients[grid.input].ndim):
            if axis not in [line.axis for line in grid.lines]:
                weight = objective.arrays.expand_dims(weight, axis=axis)
        gradients[grid.input] = gradients[grid.input] * weight
        values = rebuild(guided.gradient, gradients)
        notes = (*cam.warnings, *self.rules.notes(guided.operations))
        if len(gradients) > 1:
            over = names(values)[grid.input]
            notes += (
                f"The map lies over the input {over!r} alone: the values of the others are guided "
                "backprop, which nothing weighs.",
            )
        return Result(values, guided.score, warnings=notes)
