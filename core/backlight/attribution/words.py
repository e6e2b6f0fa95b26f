"""A text's tokens put together to words, each with the sum of its tokens' values."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from backlight.attribution.described import NO_WORD


@final
@dataclass(frozen=True)
class Word:
    """A word, or a token that is of none.

    Attributes:
        parts: its tokens; of a run of one that is of none, that token as often.
        values: of each of these.
        apart: whether it is a special token, or padding.
    """

    parts: tuple[str, ...]
    values: tuple[float, ...]
    apart: bool = False

    @property
    def text(self) -> str:
        """As it is read; of a run of special tokens one with how many there are."""
        if not self.apart or len(self.parts) == 1:
            return "".join(self.parts)
        return f"{self.parts[0]} \N{MULTIPLICATION SIGN} {len(self.parts)}"

    @property
    def value(self) -> float:
        return float(sum(self.values))


def joined(values: NDArray[Any], tokens: Sequence[str], words: Sequence[int]) -> tuple[Word, ...]:
    """The words of a text; their values sum to those of the tokens.

    Args:
        values: (L,), finite.
        tokens: the L tokens, without the marks of their tokenizer.
        words: the number of each one's word, or `NO_WORD`; none where each token is a word.
    """
    of_words = words or range(len(tokens))
    rows = zip(of_words, tokens, np.asarray(values, dtype=np.float64).tolist(), strict=True)
    found: list[Word] = []
    for word, group in groupby(rows, key=lambda row: row[0]):
        _, parts, own = zip(*group, strict=True)
        if word == NO_WORD:
            found += [Word((part,), (value,), True) for part, value in zip(parts, own, strict=True)]
        else:
            found.append(Word(parts, own))
    return tuple(found)


def runs(words: Sequence[Word]) -> list[Word]:
    """The same with one word for each run of the same special token."""
    found: list[Word] = []
    for word in words:
        last = found[-1] if found else None
        if last is not None and word.apart and last.apart and word.parts[0] == last.parts[0]:
            found[-1] = replace(
                last, parts=last.parts + word.parts, values=last.values + word.values
            )
        else:
            found.append(word)
    return found
