"""Occlusion: how much the score falls when a window of the input is covered.

Zeiler, Fergus, "Visualizing and Understanding Convolutional Networks" (2013), section 4.1.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from math import prod
from typing import TypeAlias, final

import numpy as np
from numpy.typing import NDArray

from backlight import JointMethod, Objective, Result, Score
from backlight.errors import HyperParameterError, InputError, is_whole, require
from backlight.explaining.hiding import Hiding
from backlight.values.arrays import Array, shape_of
from backlight.values.baselines import Baseline, require_baseline
from backlight.values.tree import Tree, leaves, rebuild
from backlight_methods.axes import AXES, are_axes
from backlight_methods.keeping import Keep, averaged, require_keep

Lengths: TypeAlias = int | tuple[int, ...]


@final
@dataclass(frozen=True, kw_only=True)
class Occlusion(JointMethod):
    """score(x) - score(x with a window replaced by the baseline), averaged over the windows at a place.

    All channels of a place are covered together. The last window of a line is cut off at the edge.

    Args:
        window: sides of the window in places, one for all axes or one each; by default an eighth of
            each side (one feature, for inputs without places).
        stride: from one window to the next, at most the window's side, so that every place is covered;
            by default half the window, rounded up.
        baseline: what a window is filled with: a number, an array, one for each example; the mean
            over `Several`. Whole numbers where the value is of integers; "neighbours" fills it in from
            around it.
        axes: the axes along which windows lie, counted from the examples' axis 0; along all others
            everything is covered at once: (1, 2) for pictures (N, H, W). By default the axes of the
            places, as `backlight.wrap(net, channels=...)` says or shapes tell; of an inner value
            (N, T, features) that belongs to no picture or signal, axis 1.
        keep: "each" keeps the values for each of several baselines as well, as `Attribution.each`.

    Law: for a model linear in x, with window and stride 1, the value of a place (the same in each of
        its channels) is weight * (x - baseline) summed over channels.
    Cost: a forward pass for each window, whatever the number of targets; about 225 for an image with the
        default window and stride.
    """

    window: Lengths | None = None
    stride: Lengths | None = None
    baseline: Baseline = 0.0
    axes: tuple[int, ...] | None = None
    keep: Keep = "mean"

    def __post_init__(self) -> None:
        for field in ("window", "stride"):
            given = getattr(self, field)
            lengths = given if isinstance(given, tuple) else (1 if given is None else given,)
            whole = all(is_whole(length) and length >= 1 for length in lengths)
            require(whole, self, field, "at least 1 along each axis")
        require(are_axes(self.axes), self, "axes", AXES)
        require_baseline(self, hides=True)
        require_keep(self)

    @property
    def differentiates(self) -> bool:
        return False

    @property
    def differentiable(self) -> bool:
        return True

    @property
    def linear(self) -> bool:
        return True

    def attribute_each(self, objective: Objective, targets: Sequence[Score]) -> list[Result]:
        value = leaves(objective.value)
        covers = [
            self._windows(leaf, objective) for leaf in value
        ]  # refused before anything is run
        scores = objective.scores(targets)
        hiding = Hiding(objective, self.baseline)
        found = []  # for each baseline, the values for each target
        for number in range(hiding.count):
            falls = [
                self._leaf(hiding, number, position, masks, cover, targets, scores)
                for position, (masks, cover) in enumerate(covers)
            ]
            found.append([rebuild(objective.value, parts) for parts in zip(*falls, strict=True)])
        guesses = (
            [] if self.axes else [one for leaf in value if (one := self._guess(leaf, objective))]
        )
        means = [averaged(each, self.keep, objective.arrays) for each in zip(*found, strict=True)]
        return [
            Result(values, score, each=each, warnings=tuple(guesses))
            for (values, each), score in zip(means, scores, strict=True)
        ]

    def _leaf(
        self,
        hiding: Hiding,
        number: int,
        position: int,
        masks: NDArray[np.bool_],
        cover: tuple[int, ...],
        targets: Sequence[Score],
        scores: Sequence[Array],
    ) -> list[Array]:
        """Values of one leaf for each target, with one of the baselines: the fall of its score, spread
        over the places of each window."""
        objective = hiding.objective
        arrays, model = objective.arrays, objective.model
        value = leaves(objective.value)
        leaf, places = value[position], prod(cover)

        def part(chunk: range) -> Tree:
            mask = masks[chunk.start : chunk.stop]
            there = model.asarray(~mask.reshape(len(mask), *cover))
            points = [
                arrays.broadcast_to(one[None, ...], (len(mask), *shape_of(one))) for one in value
            ]
            points[position] = hiding.leaf(number, position, there)
            left = objective.scores(targets, rebuild(objective.value, points))

            def shared(score: Array, rest: Array) -> Array:
                # A place's share: sum over windows of fall, as (N, windows) @ (windows, places).
                flat = mask.reshape(len(mask), places).astype(np.float64)
                fall = score[None, ...] - rest
                return arrays.permute_dims(fall, (1, 0)) @ model.asarray(flat, like=score)

            return tuple(map(shared, scores, left))

        falls = leaves(objective.summed(len(masks), part))
        count = np.maximum(masks.sum(axis=0).reshape(1, places), 1).astype(np.float64)

        def averaged(fall: Array, score: Array) -> Array:
            average = fall / model.asarray(count, like=score)
            shaped = arrays.reshape(average, (objective.count, *cover[1:]))
            return arrays.broadcast_to(shaped, shape_of(leaf))

        return list(map(averaged, falls, scores))

    def _windows(
        self, leaf: Array, objective: Objective
    ) -> tuple[NDArray[np.bool_], tuple[int, ...]]:
        """Masks (windows, places) and the shape (1, ...) in which one broadcasts against the leaf."""
        shape = shape_of(leaf)
        axes, eighths = self._axes(leaf, objective)
        sides = [shape[axis] for axis in axes]
        if 0 in shape:
            raise InputError(f"There is nothing to cover in a value of shape {shape}.")
        eighth = tuple(max(1, side // 8) if eighths else 1 for side in sides)
        window = self._lengths(self.window, "window", sides, eighth)
        half = tuple(-(-length // 2) for length in window)
        stride = self._lengths(self.stride, "stride", sides, half)
        for axis, length, step in zip(axes, window, stride, strict=True):
            if step > length:
                raise HyperParameterError(
                    f"Occlusion.stride must be at most the window's sides {window}, got {stride}: "
                    f"along axis {axis}, places {length} to {step - 1} of every {step} would never be "
                    "covered."
                )
        cover = tuple(shape[axis] if axis in axes else 1 for axis in range(len(shape)))
        return window_masks(sides, window, stride), cover

    def _axes(self, leaf: Array, objective: Objective) -> tuple[list[int], bool]:
        """The axes along which windows lie, and whether these are places that have neighbours."""
        shape = shape_of(leaf)
        if self.axes is not None:
            if max(self.axes) >= len(shape):
                raise HyperParameterError(
                    f"Occlusion.axes must be axes of the value, of shape {shape}; got {self.axes}."
                )
            return sorted(self.axes), True
        layout = objective.layout_of(leaf)
        if layout is not None:
            channel_axis = layout.channel_axis
        else:
            channel_axis = feature_axis(shape, tokens_of(objective)) if len(shape) == 3 else None
        return [axis for axis in range(1, len(shape)) if axis != channel_axis], layout is not None

    def _guess(self, leaf: Array, objective: Objective) -> str | None:
        shape = shape_of(leaf)
        guess = objective.guess(leaf)
        if guess is None and objective.layout_of(leaf) is None and len(shape) == 3:
            tokens, axis = tokens_of(objective), feature_axis(shape, tokens_of(objective))
            if tokens not in shape[1:]:
                guess = f"A value of shape {shape} was taken for a sequence with features on axis {axis}."
        return guess and f"{guess} The axes of the windows can be named: Occlusion(axes=(1,))."

    def _lengths(
        self, given: Lengths | None, field: str, sides: list[int], default: tuple[int, ...]
    ) -> tuple[int, ...]:
        if given is None:
            return default
        lengths = given if isinstance(given, tuple) else (given,) * len(sides)
        if self.axes is not None and len(lengths) == len(self.axes):  # from the user's order
            lengths = tuple(length for _, length in sorted(zip(self.axes, lengths, strict=True)))
        fits = len(lengths) == len(sides) and all(
            length <= side for length, side in zip(lengths, sides, strict=True)
        )
        if not fits:
            raise HyperParameterError(
                f"Occlusion.{field} must be one number or one for each of the places' axes, at most "
                f"{tuple(sides)}; got {given!r}."
            )
        return lengths


def tokens_of(objective: Objective) -> int | None:
    """How many tokens the first input has, if it is a row of them, (N, T)."""
    shape = shape_of(leaves(objective.inputs.attributed)[0])
    return shape[1] if len(shape) == 2 else None


def feature_axis(shape: tuple[int, ...], tokens: int | None) -> int:
    """Where a value of three axes has its features: on the last, unless only that one can be tokens."""
    return 1 if shape[2] == tokens != shape[1] else 2


def window_masks(
    sides: list[int], window: tuple[int, ...], stride: tuple[int, ...]
) -> NDArray[np.bool_]:
    """One boolean mask (windows, *sides) for each place of the window, until all is covered."""
    lines = []
    for side, length, step in zip(sides, window, stride, strict=True):
        starts = np.arange(-(-(side - length) // step) + 1) * step
        place = np.arange(side)
        lines.append((place >= starts[:, None]) & (place < starts[:, None] + length))
    masks = []
    for chosen in product(*lines):
        mask = np.ones(sides, dtype=bool)
        for axis, line in enumerate(chosen):
            mask &= line.reshape([-1 if axis == other else 1 for other in range(len(sides))])
        masks.append(mask)
    return np.stack(masks)
