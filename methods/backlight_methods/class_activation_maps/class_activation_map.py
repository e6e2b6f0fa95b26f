"""Class activation maps: a feature map's channels, weighted by what the score's gradient says of them.

    map(place) = sum over channels c of weight_c(place) * A_c(place)

The techniques differ in the weights alone. Values are raw and signed; the papers' ReLU is the option
`rectify`.
"""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Literal

from backlight import Gradient, JointMethod, Method, Objective, Result, Score
from backlight.errors import SiteError, is_one_of, require
from backlight.explaining.resize import place, resize
from backlight.explaining.spatial import advice, grid_at
from backlight.rules.rules import Rules
from backlight.values.arrays import Array, Arrays, shape_of
from backlight.values.tree import leaves
from backlight_methods.gradients.guided_backprop import GuidedBackprop
from backlight_methods.lrp.lrp import LRP

BACKWARD: Mapping[str, Method] = {"guided_backprop": GuidedBackprop(), "lrp": LRP()}


@dataclass(frozen=True, kw_only=True)
class ClassActivationMap(JointMethod):
    """What the techniques of the family share; each adds its weights.

    Args:
        upsample: how the map is brought to the input's places: "bilinear" (the papers': edges on
            edges), "receptive_field" (bilinear between the middles of the cells' receptive fields, which
            paddings and strides may have moved by half a cell), "nearest", or "none" to keep the
            feature map's own places.
        rectify: whether negative values are set to 0 at the end (before upsampling), as in the papers.
        backward: what stands for the score's gradient: "gradient", as in the papers; "guided_backprop";
            or "lrp", the multipliers of LRP's epsilon-plus, with which the weights of Grad-CAM become
            mean relevance per activation, as in Lee et al., "Relevance-CAM" (2021).
    """

    upsample: Literal["bilinear", "receptive_field", "nearest", "none"] = "bilinear"
    rectify: bool = False
    backward: Literal["gradient", "guided_backprop", "lrp"] = "gradient"

    def __post_init__(self) -> None:
        known = ("bilinear", "receptive_field", "nearest", "none")
        require(isinstance(self.rectify, bool), self, "rectify", "True or False")
        said = "'bilinear', 'receptive_field', 'nearest' or 'none'"
        require(is_one_of(self.upsample, known), self, "upsample", said)
        ways = ("gradient", *BACKWARD)
        require(
            is_one_of(self.backward, ways),
            self,
            "backward",
            "'gradient', 'guided_backprop' or 'lrp'",
        )

    @property
    def spatial(self) -> bool:
        return True

    @property
    def rules(self) -> Rules | None:
        return BACKWARD[self.backward].rules if self.backward in BACKWARD else None

    @property
    def keeps_signs(self) -> bool:
        """Whether nothing is rectified, neither on the way back nor at the end."""
        return not self.rectify and self.backward != "guided_backprop"

    @abstractmethod
    def weights(self, activation: Array, gradient: Array, arrays: Arrays) -> Array:
        """Weights that broadcast against the activation: both are (N, places, channels)."""

    def attribute_each(self, objective: Objective, targets: Sequence[Score]) -> list[Result]:
        rules = self.rules
        if rules is None:
            gradients = objective.gradients(targets)
        else:
            gradients = [objective.with_target(target).ruled(rules) for target in targets]
        return [self._map(objective, found) for found in gradients]

    def _map(self, objective: Objective, found: Gradient) -> Result:
        (value,), (slope,) = leaves(found.value), leaves(found.gradient)
        grid = grid_at(objective)
        if grid is None:
            raise SiteError(
                f"The site {objective.at!r} of shape {shape_of(value)} is not laid out over the input; "
                "a class activation map needs a feature map or a grid of tokens. "
                f"{advice(objective)}"
            )
        arrays = objective.arrays
        flat = (objective.count, prod(grid.shape), -1)
        activation = arrays.reshape(grid.read(value, arrays), flat)
        gradient = arrays.reshape(grid.read(slope, arrays), flat)
        weighted = self.weights(activation, gradient, arrays) * activation
        maps = arrays.reshape(arrays.sum(weighted, axis=-1), (objective.count, *grid.shape))
        if self.rectify:
            maps = arrays.maximum(maps, arrays.zeros_like(maps))
        shape = shape_of(leaves(objective.inputs.attributed)[0])
        sizes = tuple(shape[line.axis] for line in grid.lines)
        if self.upsample == "receptive_field":
            maps = place(maps, grid.lines, sizes, objective.model)
        elif self.upsample != "none":
            maps = resize(maps, sizes, self.upsample, objective.model)
        rules = self.rules
        notes = rules.notes(found.operations) if rules is not None else ()
        guess = objective.at_site(None).guess(leaves(objective.inputs.attributed)[0])
        return Result(maps, found.score, warnings=(*notes, *([guess] if guess else [])))
