"""The features of a whole value, which may be several arrays: counting, spreading, pooling."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Literal, TypeAlias, final

import numpy as np
from numpy.typing import NDArray

from backlight.errors import InputError
from backlight.features.features import NOWHERE, Features, Labels, Part
from backlight.features.groups import Elements, Tokens
from backlight.features.places import Grid
from backlight.features.registry import FeaturesOrName, named_features

Numbers: TypeAlias = NDArray[np.float64]
FeaturesOf: TypeAlias = FeaturesOrName | tuple[FeaturesOrName, ...] | Mapping[str, FeaturesOrName]
"""Features, or their name such as `grid:16x16`; for several inputs one for all, or a tuple or dict."""

Pooling: TypeAlias = Literal["sum", "mean", "norm"]

CELLS = {1: 32, 2: 8}
"""How many cells there are along each axis of 1 or 2 axes of places, where nobody says; 4 for more."""


@final
@dataclass(frozen=True)
class Labelling:
    """Which feature each number of a value belongs to.

    Attributes:
        labels: of each array, as of `Labels`, counted through all arrays.
        shapes: of each array, (N, ...).
        names: of the features.
        notes: sentences for the user.
    """

    labels: tuple[NDArray[np.int64], ...]
    shapes: tuple[tuple[int, ...], ...]
    names: tuple[str, ...]
    notes: tuple[str, ...] = ()

    @property
    def count(self) -> int:
        return len(self.names)

    @property
    def sizes(self) -> Numbers:
        """How many numbers each feature has, shape (1 or N, features)."""
        found = np.zeros((max(map(len, self.labels)), self.count))
        for labels, shape in zip(self.labels, self.shapes, strict=True):
            found = found + summed(
                np.full(labels.shape, prod(shape[1:]) / max(prod(labels.shape[1:]), 1)),
                labels,
                self.count,
            )
        return found

    def spread(self, values: Numbers) -> list[Numbers]:
        """Numbers of the features (N, features) as arrays shaped like the value: what a feature has is
        shared equally by its numbers, and is 0 where there is none."""
        shares = values / np.maximum(self.sizes, 1)
        shares = np.concatenate([shares, np.zeros((len(shares), 1))], axis=1)  # for NOWHERE
        found = []
        for labels, shape in zip(self.labels, self.shapes, strict=True):
            rows = np.arange(len(shares)).reshape(-1, *(1,) * (labels.ndim - 1))
            found.append(np.broadcast_to(shares[rows, labels], shape))
        return found

    def pooled(self, values: Sequence[NDArray[np.generic]]) -> Numbers:
        """The sums of the features' numbers, (N, features), of arrays shaped like the value."""
        total = np.zeros((self.shapes[0][0], self.count))
        for labels, array, shape in zip(self.labels, values, self.shapes, strict=True):
            if array.shape != shape:
                raise InputError(
                    f"Values of shape {array.shape} are not those of features of {shape}."
                )
            spread = tuple(axis for axis in range(1, labels.ndim) if labels.shape[axis] == 1)
            sums = array.astype(np.float64).sum(axis=spread, keepdims=True)
            total += summed(sums, labels, self.count)
        return total

    def of(self, rows: NDArray[np.int64]) -> "Labelling":
        """For some of the examples."""
        parts = tuple(one if len(one) == 1 else one[rows] for one in self.labels)
        shapes = tuple((len(rows), *shape[1:]) for shape in self.shapes)
        return Labelling(parts, shapes, self.names, self.notes)


def summed(values: Numbers, labels: NDArray[np.int64], count: int) -> Numbers:
    """Sums (N, count) of values whose labels, (1 or N, ...), are these."""
    rows = np.broadcast_to(labels, values.shape).reshape(len(values), -1)
    bins = np.where(rows == NOWHERE, count, rows) + (count + 1) * np.arange(len(values))[:, None]
    flat = np.bincount(bins.ravel(), values.ravel(), minlength=len(values) * (count + 1))
    return flat.astype(np.float64).reshape(len(values), count + 1)[:, :count]


def label(
    features: FeaturesOf | None,
    parts: Sequence[Part],
    names: Sequence[str],
    together: bool = False,
) -> tuple[tuple[NDArray[np.int64], Labelling], ...]:
    """The features of a value, whose arrays have these names.

    Examples need not have equally many features, as where each has superpixels of its own. They come in
    groups of those that do: so what is found for an example does not depend on the others.

    Args:
        together: makes one group of all examples, where they cannot go through the model apart.

    Returns:
        for each group its rows and its features.

    Raises:
        BacklightError: the value has no such features.
    """
    found = [
        natural(part) if one is None else named_features(one).label(part)
        for part, one in zip(parts, per_array(features, names), strict=True)
    ]
    count = parts[0].shape[0]
    most = np.stack(
        [
            np.broadcast_to(one.labels.reshape(len(one.labels), -1).max(axis=1) + 1, (count,))
            for one in found
        ],
        axis=1,
    )
    if not most.sum(axis=1).all():
        raise InputError(
            f"There is an example without any feature: of {features!r}, in a value of shape "
            f"{', '.join(str(part.shape) for part in parts)}."
        )
    if together:
        most = np.broadcast_to(most.max(axis=0), most.shape)
    kinds, member = np.unique(most, axis=0, return_inverse=True)
    groups = []
    for number, counts in enumerate(kinds):
        rows = np.flatnonzero(member.reshape(-1) == number)
        groups.append((rows, joined(found, counts, parts, names).of(rows)))
    return tuple(groups)


def joined(
    found: Sequence[Labels],
    counts: NDArray[np.int64],
    parts: Sequence[Part],
    names: Sequence[str],
) -> Labelling:
    """Features of several arrays as those of one value, each array's after those of the one before."""
    labels, told, start = [], list[str](), 0
    for one, count, name in zip(found, counts.tolist(), names, strict=True):
        labels.append(np.where(one.labels == NOWHERE, NOWHERE, one.labels + start))
        own = one.names[:count]
        told += own if len(found) == 1 else [f"{name}: {text}" for text in own]
        start += count
    notes = tuple(dict.fromkeys(note for one in found for note in one.notes))
    return Labelling(tuple(labels), tuple(part.shape for part in parts), tuple(told), notes)


def per_array(features: FeaturesOf | None, names: Sequence[str]) -> list[FeaturesOrName | None]:
    """The features of each array."""
    if isinstance(features, Mapping):
        if set(features) != set(names):
            raise InputError(f"Features for {sorted(features)}, but inputs {sorted(names)}.")
        return [features[name] for name in names]
    if isinstance(features, tuple):
        if len(features) != len(names):
            raise InputError(f"{len(features)} kinds of features for {len(names)} inputs.")
        return list(features)
    return [features] * len(names)


def natural(part: Part) -> Labels:
    """What belongs together where nobody says: about 64 cells of places, tokens, columns."""
    if part.layout is not None:
        grid = part.layout.grid
        most = CELLS.get(len(grid), 4)
        return Grid(*(min(side, most) for side in grid)).label(part)
    own: Features = Tokens() if len(part.shape) == 3 else Elements()
    return own.label(part)
