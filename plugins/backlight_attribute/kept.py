"""What a store keeps of a technique's values: all, sums over features, the largest, or figures."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from backlight.attribution.by_feature import by_feature
from backlight.errors import HyperParameterError, UnknownNameError, is_whole, require
from backlight.features.features import Features
from backlight.features.registry import features, named_features
from backlight.values.layout import Layout

Columns = dict[str, NDArray[Any]]

KEPT = "whole, none, summary, top:20, or features such as grid:16x16"


class Kept(ABC):
    """What is kept of values (n, ...). Implementations are frozen dataclasses."""

    @abstractmethod
    def columns(self, values: NDArray[Any], layout: Layout | None) -> Columns:
        """Arrays with n rows, by name."""

    def names(self, values: NDArray[Any], layout: Layout | None) -> tuple[str, ...]:
        """Of the features that the numbers of a row are of; none where they are places."""
        return ()


@final
@dataclass(frozen=True)
class Whole(Kept):
    """All values, as they are: `values`, (n, ...)."""

    def columns(self, values: NDArray[Any], layout: Layout | None) -> Columns:
        return {"values": values}


@final
@dataclass(frozen=True)
class Nothing(Kept):
    """No values: scores and gaps alone."""

    def columns(self, values: NDArray[Any], layout: Layout | None) -> Columns:
        return {}


@final
@dataclass(frozen=True)
class Pooled(Kept):
    """Sums over features: `by_feature`, (n, features), as of `Attribution.by`.

    Attributes:
        features: such as `Grid(16, 16)`.
    """

    features: Features

    def columns(self, values: NDArray[Any], layout: Layout | None) -> Columns:
        found = by_feature(values, None, (layout,), self.features, "sum")
        return {"by_feature": found.values.astype(np.float32)}

    def names(self, values: NDArray[Any], layout: Layout | None) -> tuple[str, ...]:
        return by_feature(values[:1], None, (layout,), self.features, "sum").names


@final
@dataclass(frozen=True)
class Top(Kept):
    """The values of the largest size, the largest first: `top_values`, (n, count), and where they are
    among all values of the example laid out in one row: `top_places`, (n, count), int64.

    Attributes:
        count: how many, at least 1; fewer where an example has no more.
    """

    count: int

    def __post_init__(self) -> None:
        require(is_whole(self.count) and self.count >= 1, self, "count", "at least 1")

    def columns(self, values: NDArray[Any], layout: Layout | None) -> Columns:
        rows = values.reshape(len(values), -1)
        # Of equal ones the first, so that the same numbers give the same places.
        places = np.argsort(-np.abs(rows), axis=1, kind="stable")[:, : self.count]
        return {
            "top_places": places.astype(np.int64),
            "top_values": np.take_along_axis(rows, places, axis=1).astype(np.float32),
        }


@final
@dataclass(frozen=True)
class Summary(Kept):
    """Figures of each example's values, float64, (n,) each: `sum`, `sum_of_sizes`, `largest`, `smallest`
    and `share_of_top_percent`, which part of the sum of sizes the largest hundredth of the values has."""

    def columns(self, values: NDArray[Any], layout: Layout | None) -> Columns:
        rows = values.reshape(len(values), -1).astype(np.float64)
        sizes = np.abs(rows)
        total = sizes.sum(axis=1)
        few = max(1, rows.shape[1] // 100)
        top = np.partition(sizes, rows.shape[1] - few, axis=1)[:, -few:].sum(axis=1)
        share = np.divide(top, total, out=np.zeros_like(total), where=total > 0)
        return {
            "sum": rows.sum(axis=1),
            "sum_of_sizes": total,
            "largest": rows.max(axis=1),
            "smallest": rows.min(axis=1),
            "share_of_top_percent": share,
        }


WORDS: Mapping[str, str] = {
    "words": "Of texts, whole keeps a value for each token and the word that it is of: `store plot`, "
    "`report --store` and attributions join them to words."
}
"""What to do instead of what is asked for often."""

PLAIN: Mapping[str, Kept] = {"whole": Whole(), "none": Nothing(), "summary": Summary()}


def kept_of(said: "str | Kept | Features") -> Kept:
    """What is to be kept, from its name: `whole`, `none`, `summary`, `top:20`, or features by theirs,
    `grid:16x16`.

    Raises:
        HyperParameterError, UnknownNameError: nothing is called so.
    """
    if isinstance(said, Kept):
        return said
    if isinstance(said, Features):
        return Pooled(said)
    if not isinstance(said, str):
        raise HyperParameterError(f"What is kept of values is {KEPT}; got {said!r}.")
    if said in PLAIN:
        return PLAIN[said]
    name, _, count = said.partition(":")
    if name == "top":
        if not count.isdecimal():
            raise HyperParameterError(f"top takes how many values are kept, top:20; got {said!r}.")
        return Top(int(count))
    try:
        return Pooled(named_features(said))
    except UnknownNameError as error:
        raise UnknownNameError(
            "kind of what is kept", name, (*PLAIN, "top:20", *features()), WORDS.get(said, "")
        ) from error
