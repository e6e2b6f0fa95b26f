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
from backlight.errors import HyperParameterError, SiteError, is_one_of, require
from backlight.explaining.resize import place, resize
from backlight.explaining.spatial import advice, grid_at
from backlight.graph.axes.grids import Grid, Line
from backlight.rules.rules import Rules
from backlight.values.arrays import Array, Arrays, shape_of
from backlight.values.tree import leaves
from backlight_methods.axes import AXES, are_axes
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
        channels: "sum" them up, or "keep" what each one adds to the map, (N, *places, channels), at the
            feature map's own places (`upsample="none"`).
        axes: of a feature map that is not laid out over the input, as a spectrogram that the net itself
            makes of a waveform, the axes that are places, counted from the examples' axis 0; all others
            are channels. The map then has places of its own (`upsample="none"`), and `at` is said.
        rectify: whether negative values are set to 0 at the end (before upsampling), as in the papers.
        backward: what stands for the score's gradient: "gradient", as in the papers; "guided_backprop";
            or "lrp", the multipliers of LRP's epsilon-plus, with which the weights of Grad-CAM become
            mean relevance per activation, as in Lee et al., "Relevance-CAM" (2021).
    """

    upsample: Literal["bilinear", "receptive_field", "nearest", "none"] = "bilinear"
    channels: Literal["sum", "keep"] = "sum"
    axes: tuple[int, ...] | None = None
    rectify: bool = False
    backward: Literal["gradient", "guided_backprop", "lrp"] = "gradient"

    def __post_init__(self) -> None:
        known = ("bilinear", "receptive_field", "nearest", "none")
        require(isinstance(self.rectify, bool), self, "rectify", "True or False")
        said = "'bilinear', 'receptive_field', 'nearest' or 'none'"
        require(is_one_of(self.upsample, known), self, "upsample", said)
        kept = is_one_of(self.channels, ("sum", "keep"))
        require(kept, self, "channels", "'sum' or 'keep'")
        require(are_axes(self.axes), self, "axes", AXES)
        if self.upsample != "none":
            said = "'none' where channels are kept or axes are said"
            plain = self.channels == "sum" and self.axes is None
            require(plain, self, "upsample", said)
        ways = ("gradient", *BACKWARD)
        require(
            is_one_of(self.backward, ways),
            self,
            "backward",
            "'gradient', 'guided_backprop' or 'lrp'",
        )

    @property
    def spatial(self) -> bool:
        return self.axes is None

    @property
    def joins_sites(self) -> bool:
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
        rules, each = self.rules, objective.apart() * len(targets)
        if rules is None:
            gradients = objective.gradients(targets)
        else:
            asked = [target for target in targets for _ in objective.sites]
            pairs = zip(each, asked, strict=True)
            gradients = [one.with_target(target).ruled(rules) for one, target in pairs]
        return [self._map(one, found) for one, found in zip(each, gradients, strict=True)]

    def _map(self, objective: Objective, found: Gradient) -> Result:
        grid, arrays = self._grid(objective, found), objective.arrays
        activation, gradient = (
            grid.read(leaves(one)[0], arrays) for one in (found.value, found.gradient)
        )
        flat = (objective.count, prod(grid.shape), shape_of(activation)[-1])
        activation, gradient = (arrays.reshape(one, flat) for one in (activation, gradient))
        maps = self.weights(activation, gradient, arrays) * activation
        channels = flat[-1:] if self.channels == "keep" else ()
        if not channels:
            maps = arrays.sum(maps, axis=-1)
        maps = arrays.reshape(maps, (objective.count, *grid.shape, *channels))
        if self.rectify:
            maps = arrays.maximum(maps, arrays.zeros_like(maps))
        if self.upsample != "none":
            shape = shape_of(leaves(objective.inputs.attributed)[grid.input])
            sizes = tuple(shape[line.axis] for line in grid.lines)
            if self.upsample == "receptive_field":
                maps = place(maps, grid.lines, sizes, objective.model)
            else:
                maps = resize(maps, sizes, self.upsample, objective.model)
        rules = self.rules
        notes = rules.notes(found.operations) if rules is not None else ()
        guess = objective.at_site(None).guess(leaves(objective.inputs.attributed)[0])
        return Result(maps, found.score, warnings=(*notes, *([guess] if guess else [])))

    def _grid(self, objective: Objective, found: Gradient) -> Grid:
        """How places are read out of the feature map."""
        parts = leaves(found.value)
        if len(parts) > 1:
            raise SiteError(
                f"A class activation map needs one feature map, and {objective.at!r} gives {len(parts)} "
                f"arrays: name one of them, as {str(objective.at) + '[0]'!r}."
            )
        shape = shape_of(parts[0])
        if self.axes is not None:
            if objective.at is None or max(self.axes) >= len(shape):
                raise HyperParameterError(
                    f"{type(self).__name__}.axes must be axes of a feature map, named by at=; got "
                    f"{self.axes} for {objective.at or 'the input'}, of shape {shape}."
                )
            return grid_along(self.axes, shape)
        grid = grid_at(objective)
        if grid is None:
            raise SiteError(
                f"The site {objective.at!r} of shape {shape} is not laid out over the input; "
                "a class activation map needs a feature map or a grid of tokens. "
                f"{advice(objective)} A map at the site's own places needs them said: "
                'upsample="none", axes=(2, 3), say.'
            )
        return grid


def grid_along(axes: tuple[int, ...], shape: tuple[int, ...]) -> Grid:
    """A grid of a value's own places along some of its axes; where they are in the input is not known."""
    lines = tuple(Line(axis, shape[axis], 1.0, 0.0) for axis in axes)
    others = (axis for axis in range(1, len(shape)) if axis not in axes)
    return Grid(lines, (0,) * (len(shape) - 1), shape[1:], shape[1:], (0, *axes, *others))
