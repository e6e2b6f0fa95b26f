"""Examples with some of their numbers hidden: what is there, and what takes the place of the rest."""

from collections.abc import Sequence
from math import prod
from typing import Any, cast, final

import numpy as np
from numpy.typing import NDArray

from backlight.errors import InputError
from backlight.explaining.native_baselines import baseline_parts
from backlight.explaining.objective import Objective
from backlight.values.arrays import Array, between, shape_of
from backlight.values.baselines import Baseline, OneBaseline, Several, fills_in
from backlight.values.layout import Layout
from backlight.values.neighbours import filled_in
from backlight.values.tree import Tree, leaves, rebuild


@final
class Hiding:
    """The value of an objective with some of its numbers replaced by one of the baselines.

    Args:
        objective: whose value.
        baseline: what replaces them; "neighbours" fills them in from around them.

    Raises:
        InputError: the baseline does not fit the value.
    """

    def __init__(self, objective: Objective, baseline: Baseline) -> None:
        self.objective = objective
        self._references: list[Tree] = []
        self._layouts: list[list[Layout | None]] = []
        """By baseline, for each array of the value, where its places are if it is filled in from them."""
        for one in baseline.values if isinstance(baseline, Several) else (baseline,):
            layouts, rest = self._neighbours(one)
            references = objective.references(rest)
            self._references += references
            self._layouts += [layouts] * len(references)

    def _neighbours(self, baseline: OneBaseline) -> tuple[list[Layout | None], OneBaseline]:
        """The layouts of arrays that are filled in, and the baseline of the others."""
        value = self.objective.value
        parts = baseline_parts(baseline, value)
        layouts = [
            self._places(leaf) if fills_in(part) else None
            for part, leaf in zip(parts, leaves(value), strict=True)
        ]
        if not any(layouts):
            return layouts, baseline
        pairs = zip(parts, layouts, strict=True)
        rest = rebuild(value, [part if layout is None else 0.0 for part, layout in pairs])
        return layouts, cast(OneBaseline, rest)

    def _places(self, leaf: Array) -> Layout:
        layout = self.objective.layout_of(leaf)
        if layout is None or layout.tokens or not self.objective.model.is_floating(leaf):
            raise InputError(
                "'neighbours' fills in floating-point numbers from the places around them, such as "
                f"pixels; a value of shape {shape_of(leaf)} has none, as far as is known. Say a number, "
                "an array, or 'mean'."
            )
        return layout

    @property
    def count(self) -> int:
        """How many baselines there are."""
        return len(self._references)

    def point(self, number: int, there: Sequence[Array]) -> Tree:
        """The value with the numbers that are not there replaced by a baseline: shape (samples, N, ...).

        Args:
            number: of the baseline.
            there: for each array of the value whether a number is there, or the share of it that is,
                from 0 to 1, the baseline being the rest: in shapes that broadcast to (samples, N, ...).
        """
        found = [self.leaf(number, position, one) for position, one in enumerate(there)]
        return rebuild(self.objective.value, found)

    def leaf(self, number: int, position: int, there: Array) -> Array:
        """The same for one array of the value."""
        model, arrays = self.objective.model, self.objective.arrays
        value = leaves(self.objective.value)[position]
        layout = self._layouts[number][position]
        shares = model.is_floating(there)
        if layout is not None:
            if shares:
                raise InputError(
                    "'neighbours' fills in what is hidden entirely: a technique that fades values needs "
                    "another baseline."
                )
            return self._filled_in(value, there, layout)
        gone = leaves(self._references[number])[position][None, ...]
        if shares:
            return between(gone, value[None, ...], there)
        return arrays.where(there, value[None, ...], gone)

    def _filled_in(self, value: Array, there: Array, layout: Layout) -> Array:
        model = self.objective.model
        host = model.to_numpy(value).astype(np.float64)
        hidden = np.logical_not(model.to_numpy(there))
        axis = (layout.channel_axis or 1) + 1  # behind the samples' axis

        def planes(of_all: NDArray[Any]) -> NDArray[Any]:
            whole = np.broadcast_to(of_all, (len(hidden), *host.shape))
            return np.moveaxis(whole, axis, 2)

        numbers = planes(host)
        rows = (-1, prod(layout.grid))
        found = filled_in(numbers.reshape(rows), planes(hidden).reshape(rows), layout.grid)
        back = np.moveaxis(found.reshape(numbers.shape), 2, axis)
        return model.asarray(np.ascontiguousarray(back), like=value)
