"""Features of any value: segments with labels, columns of a table, tokens, words, single numbers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from backlight.by_value import is_array, on_host
from backlight.errors import HyperParameterError, InputError, is_whole, require
from backlight.features.features import NOWHERE, Features, Labels, Part, over_places
from backlight.values.arrays import AnyArray


@final
@dataclass(frozen=True)
class Segments(Features):
    """Whatever the labels say: superpixels, organs, regions.

    Args:
        labels: whole numbers, the features from 0, negative for what belongs to none: an array shaped
            like one example or like its places, for all examples or, with an axis before, one for each.
        names: of the features in their order; by default `segment 0` ...
    """

    labels: NDArray[np.integer] | AnyArray
    names: Sequence[str] | None = None

    def __post_init__(self) -> None:
        whole = is_array(self.labels) and on_host(self.labels).dtype.kind in "iu"
        require(whole and self.host.size > 0, self, "labels", "an array of whole numbers")
        require(bool((self.host >= 0).any()), self, "labels", "from 0 somewhere")
        count = int(self.host.max()) + 1
        enough = self.names is None or (
            not isinstance(self.names, str) and len(self.names) >= count
        )
        require(enough, self, "names", f"a text for each of the {count} features")

    @property
    def host(self) -> NDArray[np.int64]:
        return on_host(self.labels).astype(np.int64, copy=False)

    def label(self, part: Part) -> Labels:
        labels, places = self.host, None if part.layout is None else part.layout.grid
        count = int(labels.max()) + 1
        names = tuple(self.names or (f"segment {one}" for one in range(count)))[:count]
        one, each = part.shape[1:], (part.total, *part.shape[1:])
        if places is not None and labels.shape in (places, (1, *places), (part.total, *places)):
            if labels.shape == (part.total, *places):
                labels = labels[part.rows]
            return over_places(part, np.maximum(labels, NOWHERE), names)
        if labels.shape not in (one, (1, *one), each):
            raise InputError(
                f"Segments.labels must be of shape {one} or {each}"
                + ("" if places is None else f", or of its places', {places}")
                + f"; got {labels.shape}."
            )
        if labels.shape == each:
            labels = labels[part.rows]
        return Labels(np.maximum(labels, NOWHERE).reshape(-1, *one), names)


@final
@dataclass(frozen=True)
class Columns(Features):
    """The columns of a table, (N, columns), or of any value along its last axis.

    Args:
        groups: names of features with their columns, counted from 0: `{"age": 0, "colour": (1, 2, 3)}`
            makes one feature of a one-hot block. Columns that are in no group are features of their own.

    Raises:
        HyperParameterError: a column twice, or that is no whole number from 0.
    """

    groups: Mapping[str, int | Sequence[int]] | None = None

    def __post_init__(self) -> None:
        rule = (
            "a dict of names with their columns, each column once: {'age': 0, 'colour': (1, 2, 3)}"
        )
        require(self.groups is None or isinstance(self.groups, dict), self, "groups", rule)
        columns = [column for one in self.members.values() for column in one]
        sound = all(is_whole(one) and one >= 0 for one in columns)
        require(sound and len(set(columns)) == len(columns), self, "groups", rule)

    @property
    def members(self) -> dict[str, tuple[int, ...]]:
        """The columns of each group."""
        return {
            name: tuple(columns) if isinstance(columns, Sequence) else (columns,)
            for name, columns in (self.groups or {}).items()
        }

    def label(self, part: Part) -> Labels:
        count, members = part.shape[-1], self.members
        labels = np.full(count, NOWHERE)
        for number, columns in enumerate(members.values()):
            if max(columns, default=0) >= count:
                raise HyperParameterError(
                    f"Columns.groups names column {max(columns)}; the value, of shape {part.shape}, has "
                    f"{count} of them."
                )
            labels[list(columns)] = number
        single = np.flatnonzero(labels == NOWHERE)
        labels[single] = len(members) + np.arange(len(single))
        known = part.columns if len(part.columns) == count else ()
        called = known or [f"column {one}" for one in range(count)]
        names = (*members, *(called[one] for one in single.tolist()))
        return Labels(labels.reshape((1,) * (len(part.shape) - 1) + (count,)), names)


@final
@dataclass(frozen=True)
class Tokens(Features):
    """Each token of a sequence, all of its numbers together.

    The sequence is of ids (N, tokens), or of vectors (N, tokens, features).

    Args:
        texts: of the tokens, as names.
        axis: of the tokens, counted from the examples' axis 0.
    """

    texts: Sequence[str] | None = None
    axis: int = 1

    def __post_init__(self) -> None:
        require(is_whole(self.axis) and self.axis >= 1, self, "axis", "at least 1")
        require(not isinstance(self.texts, str), self, "texts", "a text for each token")

    def label(self, part: Part) -> Labels:
        count = token_count(self, part, self.axis)
        names = self.texts or [f"token {one}" for one in range(count)]
        if len(names) != count:
            raise HyperParameterError(
                f"Tokens.texts has {len(names)} texts; a value of shape {part.shape} has {count} tokens."
            )
        return Labels(along(np.arange(count)[None], part, self.axis), tuple(names))


@final
@dataclass(frozen=True)
class Words(Features):
    """Tokens that make up words: all tokens of a word are one feature.

    Args:
        ids: the number of each token's word, from 0, as tokenizers give it; None or negative for
            tokens of no word, which are never absent. A list of them, or one for each example.
        texts: of the words, as names.
        axis: of the tokens, counted from the examples' axis 0.
    """

    ids: Sequence[int | None] | Sequence[Sequence[int | None]]
    texts: Sequence[str] | None = None
    axis: int = 1

    def __post_init__(self) -> None:
        rule = (
            "whole numbers from 0, or None, one for each token; or a list of these for each example"
        )
        rows = self.rows
        one_length = len({len(row) for row in rows}) == 1
        sound = all(one is None or is_whole(one) for row in rows for one in row)
        require(one_length and sound and bool((self.host >= 0).any()), self, "ids", rule)
        require(is_whole(self.axis) and self.axis >= 1, self, "axis", "at least 1")
        count = int(self.host.max()) + 1
        enough = self.texts is None or len(self.texts) >= count
        require(enough, self, "texts", f"a text for each of the {count} words")

    @property
    def rows(self) -> list[list[int | None]]:
        nested = any(isinstance(one, (list, tuple, np.ndarray)) for one in self.ids)
        return [list(one) for one in (self.ids if nested else [self.ids])]  # type: ignore[arg-type]

    @property
    def host(self) -> NDArray[np.int64]:
        return np.array(
            [[NOWHERE if one is None else max(one, NOWHERE) for one in row] for row in self.rows]
        )

    def label(self, part: Part) -> Labels:
        ids, tokens = self.host, token_count(self, part, self.axis)
        if ids.shape not in ((1, tokens), (part.total, tokens)):
            raise InputError(
                f"Words.ids are for {len(ids)} sequences of {ids.shape[1]} tokens; the value, of shape "
                f"{part.shape}, has {tokens} tokens in each of {part.total} examples."
            )
        count = int(ids.max()) + 1
        names = tuple(self.texts or (f"word {one}" for one in range(count)))[:count]
        rows = ids if len(ids) == 1 else ids[part.rows]
        return Labels(along(rows, part, self.axis), names)


@final
@dataclass(frozen=True)
class Elements(Features):
    """Each number of an example by itself.

    They are numbered with the channels last, so that a picture's are the same on each framework.
    """

    def label(self, part: Part) -> Labels:
        shape = part.shape[1:]
        layout = part.layout
        first = layout is not None and layout.channel_axis == 1 and len(shape) > 1
        order = (*shape[1:], shape[0]) if first else shape
        labels = np.arange(int(np.prod(shape))).reshape(order)
        labels = np.moveaxis(labels, -1, 0) if first else labels
        one = len(shape) == 1
        names = [str(at[0] if one else tuple(map(int, at))) for at in np.ndindex(*order)]
        return Labels(labels[None], tuple(names))


def token_count(who: Features, part: Part, axis: int) -> int:
    if axis >= len(part.shape):
        raise HyperParameterError(
            f"{type(who).__name__}.axis must be an axis of the value, of shape {part.shape}; got {axis}."
        )
    return part.shape[axis]


def along(labels: NDArray[np.int64], part: Part, axis: int) -> NDArray[np.int64]:
    """Labels (1 or N, tokens) so that they broadcast against the value."""
    lengths = [-1 if axis == other else 1 for other in range(1, len(part.shape))]
    return labels.reshape(len(labels), *lengths)
