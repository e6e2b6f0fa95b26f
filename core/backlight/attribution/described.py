"""What an input is that values belong to: its kind, its names, and the input itself."""

from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from backlight.by_value import ByValue
from backlight.values.layout import InputKind as InputKind
from backlight.values.layout import Layout

NO_WORD = -1
"""The word of a token that stands apart: a special one, or padding."""


@final
@dataclass(frozen=True)
class DescribedInput(ByValue):
    """One input of those that were explained, as far as is known.

    Attributes:
        kind: what it is.
        names: of a table's columns, or of the channels of anything else, in their order; empty where
            nobody gave them.
        tokens: of text: the tokens of each example, without the marks of their tokenizer.
        words: of text: the number of each token's word, from 0 in each example, or `NO_WORD`.
        given: the input, on the host, (n, ...) for the first n of N examples, where it is kept.
        layout: where the input has its channels and its places; None where that is not known, or it has
            none. That of the values may differ: theirs may have no channels.
    """

    kind: InputKind
    names: tuple[str, ...] = ()
    tokens: tuple[tuple[str, ...], ...] = ()
    words: tuple[tuple[int, ...], ...] = ()
    given: NDArray[np.generic] | None = None
    layout: Layout | None = None


def kind_of(shape: tuple[int, ...], layout: Layout | None, whole: bool) -> InputKind:
    """What an input is by its axes.

    Args:
        shape: (N, ...).
        layout: where it has channels and places; None where that is not known, or there are none.
        whole: whether it holds whole numbers that an embedding takes, such as the ids of tokens.
    """
    if whole:
        return "text" if len(shape) == 2 else "other"
    if layout is not None:
        return {1: "series", 2: "picture", 3: "volume"}.get(len(layout.grid), "other")  # type: ignore[return-value]
    return "table" if len(shape) == 2 else "other"
