"""Saliency: |d score / d x|.

Simonyan, Vedaldi, Zisserman, "Deep Inside Convolutional Networks" (2013), section 3: the paper draws
the maximum over the colour channels, `channels="max"` here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, final

from backlight import Gradient, JointMethod, Objective, Result, Score
from backlight.errors import InputError, is_one_of, require
from backlight.values.arrays import Array
from backlight.values.tree import leaves, map_leaves


@final
@dataclass(frozen=True, kw_only=True)
class Saliency(JointMethod):
    """The absolute gradient of the score.

    Args:
        channels: "keep" one value per input number; "max" or "mean" reduce the channels of an image,
            signal or feature map to one value per place, shape (N, *places). Where a place is one
            number it stays as it is.

    Law: values are at least 0, and equal |weight| for a model that is linear in x.
    Cost: one forward and one backward pass.
    """

    channels: Literal["keep", "max", "mean"] = "keep"

    def __post_init__(self) -> None:
        known = is_one_of(self.channels, ("keep", "max", "mean"))
        require(known, self, "channels", "'keep', 'max' or 'mean'")

    @property
    def joins_sites(self) -> bool:
        return True

    def attribute_each(self, objective: Objective, targets: Sequence[Score]) -> list[Result]:
        each = objective.apart() * len(targets)
        found = objective.gradients(targets)
        return [self._result(one, gradient) for one, gradient in zip(each, found, strict=True)]

    def _result(self, objective: Objective, found: Gradient) -> Result:
        values = map_leaves(objective.arrays.abs, found.gradient)
        if self.channels == "keep":
            return Result(values, found.score)
        guesses = [guess for leaf in leaves(values) if (guess := objective.guess(leaf))]
        values = map_leaves(lambda leaf: self._reduced(leaf, objective), values)
        return Result(values, found.score, warnings=tuple(guesses))

    def _reduced(self, values: Array, objective: Objective) -> Array:
        layout = objective.layout_of(values)
        if layout is None:
            raise InputError(
                f"Saliency(channels={self.channels!r}) needs images, signals or feature maps; "
                "use channels='keep' for inputs without channels."
            )
        if layout.channel_axis is None:
            return values
        reduce = objective.arrays.max if self.channels == "max" else objective.arrays.mean
        return reduce(values, axis=layout.channel_axis)
