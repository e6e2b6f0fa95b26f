"""Sentences of film reviews that people have judged, and a tokenizer of their words.

C. Hutto, E. Gilbert: VADER. ICWSM 2014, whose ground truth comes with the package vaderSentiment; the
sentences are of B. Pang, L. Lee: Seeing Stars. ACL 2005.
"""

import re
from functools import cached_property

import numpy as np
import numpy.typing as npt

from backlight_demo.small_nets import read

CLASSES = ("negative", "positive")
"""Whether the mean of twenty people's judgements, from -4 to 4, is below 0 or above."""

LENGTH = 48
"""Tokens of a text: the few longer ones are cut."""

PADDING, UNKNOWN = "[padding]", "[unknown]"


def examples() -> tuple[npt.NDArray[np.str_], npt.NDArray[np.int64]]:
    """600 sentences that the net was not trained on, and their classes."""
    stored = read("snippets.npz")
    return stored["texts"], stored["labels"].astype(np.int64)


class Words:
    """A tokenizer of the words of a vocabulary, in small letters.

    Args:
        vocabulary: padding, the unknown word, and the others in the order of their ids.
    """

    pad_token_id = 0

    def __init__(self, vocabulary: tuple[str, ...]) -> None:
        self.vocabulary = vocabulary

    @cached_property
    def ids(self) -> dict[str, int]:
        return {word: id for id, word in enumerate(self.vocabulary)}

    def __call__(self, texts: list[str]) -> list[list[int]]:
        unknown = self.ids[UNKNOWN]
        return [[self.ids.get(word, unknown) for word in self.tokenize(text)] for text in texts]

    def tokenize(self, text: str) -> list[str]:
        return words(text) or [UNKNOWN]

    def id_to_token(self, id: int) -> str | None:
        return self.vocabulary[id] if 0 <= id < len(self.vocabulary) else None


def words(text: str) -> list[str]:
    """The words and marks of a text."""
    return re.findall(r"[a-z0-9]+(?:'[a-z]+)?|[.,!?;:]", text.lower())


def tokenizer() -> Words:
    """That of the net."""
    return Words(tuple(read("snippets.npz")["vocabulary"].tolist()))
