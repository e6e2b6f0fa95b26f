"""Masks brought to the places of a model's input, the way that their pictures go."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast, final

import numpy as np
from PIL import Image

from backlight.errors import InputError
from backlight.values.arrays import Channels
from backlight.values.layout import input_layout
from backlight_loading.masks import MaskArray, Masks
from backlight_loading.preparation import Prepared, Size
from backlight_loading.preprocessing import channel_axis


@final
@dataclass(frozen=True)
class Fitting:
    """How masks become truths at the places of a model's input.

    Attributes:
        shape, dtype: of one example as it is stored.
        ends: the stored numbers that are black and white.
        prepared: brings stored examples to the model.
        grid: the model's places: of pictures height and width.
        channels: where the model has them.
        own_size: of an example by its number, before it was stretched; None where it was not.
    """

    shape: tuple[int, ...]
    dtype: str
    ends: tuple[float, float]
    prepared: Prepared
    grid: tuple[int, ...]
    channels: Channels
    own_size: Callable[[int], Size] | None = None

    def fitted(self, mask: MaskArray, number: int, name: str) -> MaskArray:
        """A mask at the places of the model's input. It goes the way of its picture: stretched with it,
        and then, white on black, through the preprocessing; a place is inside where more than half of
        it is.

        Raises:
            InputError: it has another size than its picture, or is lost on the way.
        """
        if mask.shape == self.grid and len(self.grid) != 2:
            return mask  # of no pictures
        several = len(self.shape) == 3
        axis = channel_axis(np.empty((1, *self.shape), self.dtype), self.channels) - 1
        size = cast(Size, tuple(n for k, n in enumerate(self.shape) if not several or k != axis))
        own = self.own_size(number) if self.own_size is not None else size
        if mask.ndim == 2 and mask.shape in (size, own):
            stretched = Image.fromarray(mask).resize(size[::-1], Image.Resampling.NEAREST)
            return self.carried(np.asarray(stretched, dtype=np.bool_), axis if several else None)
        if mask.shape == self.grid:
            return mask
        wanted = " or ".join(sides(one) for one in dict.fromkeys((own, size, self.grid)))
        raise InputError(
            f"The mask of {name} is {sides(mask.shape)} (height x width); it must be {wanted}, as its "
            "picture is."
        )

    def carried(self, mask: MaskArray, axis: int | None) -> MaskArray:
        black, white = self.ends if self.ends[0] < self.ends[1] else (0.0, 1.0)
        wide = mask if axis is None else np.expand_dims(mask, axis)
        drawn = np.broadcast_to(np.where(wide, white, black), self.shape)
        ends = (np.full(self.shape, end) for end in (black, white))
        made, low, high = (
            self.prepared(one[None].astype(self.dtype))[0].astype(np.float64)
            for one in (drawn, *ends)
        )
        span = high - low
        with np.errstate(divide="ignore", invalid="ignore"):
            share = (made - low) / span
        if not np.isfinite(share).all():
            raise InputError(
                "Masks cannot go through the preprocessing: at some places it makes no difference "
                f"between black and white. Give masks of the model's own size, {sides(self.grid)}."
            )
        if share.shape != self.grid:
            layout = input_layout((1, *share.shape), self.channels)
            share = share.mean(
                axis=layout.channel_axis - 1 if layout and layout.channel_axis else -1
            )
        return np.asarray(share > 0.5)


def sides(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))


def fitted_masks(
    masks: Masks, numbers: Sequence[int], names: Sequence[str], fitting: Fitting
) -> tuple[MaskArray, tuple[str, ...]]:
    """The masks of some examples at the places of the model's input, (n, H, W), empty where there is
    none; and the names of those without one.

    Raises:
        InputError: one cannot be read or does not fit; or none of them has one.
    """
    found = np.zeros((len(numbers), *fitting.grid), dtype=np.bool_)
    lacking = []
    for place, (number, name) in enumerate(zip(numbers, names, strict=True)):
        mask = masks.read(number, name)
        if mask is None:
            lacking.append(name)
        else:
            found[place] = fitting.fitted(mask, number, name)
    if lacking and len(lacking) == len(numbers):
        raise InputError(
            f"None of {len(numbers)} examples has a mask, {lacking[0]} for one: masks are found by the "
            "examples' names, whatever their endings."
        )
    return found, tuple(lacking)


def without_mask(lacking: Sequence[str], count: int) -> str:
    """A sentence about those without one."""
    listed = ", ".join(lacking[:5]) + (f" and {len(lacking) - 5} more" if len(lacking) > 5 else "")
    return (
        f"{len(lacking)} of {count} examples have no mask, and are left out where one is asked for: "
        f"{listed}."
    )
