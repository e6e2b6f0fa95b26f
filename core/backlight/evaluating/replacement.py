"""What a place is replaced by: a baseline as techniques have them, or one made of the example itself."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, final

import numpy as np
from numpy.typing import NDArray

from backlight.errors import HyperParameterError, InputError, is_one_of, require
from backlight.evaluating.places import LeafPlaces, Places
from backlight.explaining.objective import Objective
from backlight.values.baselines import ACCEPTED, Baseline, Several, is_one_baseline
from backlight.values.tree import Tree, leaves, rebuild

Made: TypeAlias = Literal["blur", "mean"]
"""`blur`: the example itself, out of focus. `mean`: the mean over its places, channel by channel."""

Replacement: TypeAlias = Baseline | Made


@final
@dataclass(frozen=True, eq=False)
class NativeReplacement:
    """What takes the places' values of some examples, in the model's own arrays already.

    Attributes:
        trees: see `replacements`.
    """

    trees: Sequence[Tree]


BLUR = 40
"""The standard deviation of the blur is this part of the longest side, 5.6 pixels of 224, and at least
one place."""


def require_replacement(owner: object, field: str = "baseline") -> None:
    """Raise `HyperParameterError` unless the field is a replacement, or None."""
    given = getattr(owner, field)
    made = isinstance(given, str) and is_one_of(given, ("blur", "mean"))
    fits = given is None or made or isinstance(given, Several) or is_one_baseline(given)
    require(fits, owner, field, f"{ACCEPTED}, Several of them, 'blur' or 'mean'")


def replacements(
    given: Replacement | NativeReplacement, objective: Objective, places: Places
) -> list[Tree]:
    """What takes the places' values: native trees, whose axis 0 has the examples or length 1.

    Raises:
        InputError: it does not fit the value.
    """
    if isinstance(given, NativeReplacement):
        return list(given.trees)
    if not isinstance(given, str):
        return objective.references(given)
    if given not in ("blur", "mean"):
        raise HyperParameterError(f"A baseline by name is 'blur' or 'mean', got {given!r}.")
    make = blurred if given == "blur" else mean
    model, value = objective.model, objective.value
    found = []
    for part, leaf in zip(places.parts, leaves(value), strict=True):
        if not model.is_floating(leaf):
            raise InputError(f"{given!r} needs floating-point numbers; say a number, or an array.")
        host = model.to_numpy(leaf).astype(np.float64)
        found.append(model.asarray(make(host, part), like=leaf))
    return [rebuild(value, found)]


def blurred(value: NDArray[np.float64], places: LeafPlaces) -> NDArray[np.float64]:
    if not places.is_grid:
        raise InputError(
            f"'blur' needs places with neighbours, which inputs of shape {places.shape} have not; say "
            "a number, an array, or 'mean'."
        )
    from scipy.ndimage import gaussian_filter  # here: who evaluates nothing need not wait for it

    width = max(1.0, max(places.grid) / BLUR)
    sides = [0.0 if axis == places.channel_axis else width for axis in range(1, value.ndim)]
    return np.asarray(gaussian_filter(value, [0.0, *sides], mode="nearest"), dtype=np.float64)


def mean(value: NDArray[np.float64], places: LeafPlaces) -> NDArray[np.float64]:
    axes = tuple(axis for axis in range(1, value.ndim) if axis != places.channel_axis)
    return np.broadcast_to(value.mean(axis=axes, keepdims=True), value.shape)
