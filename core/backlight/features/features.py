"""What a kind of features is: it labels the numbers of a value."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from backlight.by_value import ByValue
from backlight.errors import InputError
from backlight.values.layout import Layout

NOWHERE = -1
"""The label of what belongs to no feature: it is never absent."""


@final
@dataclass(frozen=True)
class Part:
    """One array of a value, as features see it.

    Attributes:
        shape: (N, ...).
        layout: where it has its channels and its places; None where that is not known.
        rows: where these examples are in the user's batch, shape (N,).
        total: how many examples that has.
        numbers: gives the array on the host; None where only its shape is known.
        guess: what to say where the layout is only a guess.
        columns: names along the last axis; empty where they are not known.
    """

    shape: tuple[int, ...]
    layout: Layout | None
    rows: NDArray[np.int64]
    total: int
    numbers: Callable[[], NDArray[np.generic]] | None = None
    guess: str | None = None
    columns: tuple[str, ...] = ()


@final
@dataclass(frozen=True)
class Labels:
    """Which feature each number of an array belongs to.

    Attributes:
        labels: of the features from 0, `NOWHERE` for what belongs to none; int64, shape (1, ...) where
            all examples share them or (N, ...), of length 1 along axes that do not matter.
        names: of the features.
        notes: sentences for the user.
    """

    labels: NDArray[np.int64]
    names: tuple[str, ...]
    notes: tuple[str, ...] = ()


class Features(ByValue, ABC):
    """A kind of features. Implementations are final, frozen dataclasses."""

    @abstractmethod
    def label(self, part: Part) -> Labels:
        """The features of one array of a value.

        Raises:
            BacklightError: the array has no such features, with what to do instead.
        """


def over_places(part: Part, cells: NDArray[np.int64], names: tuple[str, ...]) -> Labels:
    """Labels of the places of an array, all channels of a place together.

    Args:
        cells: shape (..., *grid) as the part's layout has it, with an axis of examples or without.
        names: of the features.
    """
    layout = part.layout
    if layout is None:
        raise AssertionError("unreachable: who has cells has looked at the layout")
    count = len(cells) if cells.ndim > len(layout.grid) else 1
    labels = cells.reshape(count, *layout.grid)
    if layout.tokens:
        flat = labels.reshape(count, -1)
        before = np.full((count, layout.prefix), NOWHERE)
        labels = np.concatenate([before, flat], axis=1)
    if layout.channel_axis is not None:
        labels = np.expand_dims(labels, axis=layout.channel_axis)
    return Labels(labels, names, () if part.guess is None else (part.guess,))


def layout_of(part: Part, who: Features) -> Layout:
    """The part's layout, without which these features are none.

    Raises:
        InputError: it is not known.
    """
    if part.layout is None:
        raise InputError(
            f"{who!r} needs a value that is laid out over places, such as a picture or a signal; where a "
            f"value of shape {part.shape} has them is not known. Say where its channels are, "
            "backlight.wrap(net, channels='first'), 'last' or 'none'; or use features that need no "
            "places: Columns(...), Tokens(), Elements() or Segments(labels)."
        )
    return part.layout
