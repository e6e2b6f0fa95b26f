"""Tokens with their texts and words, from whatever knows them: a tokenizer, a vocabulary, lists."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import repeat
from typing import Protocol, TypeAlias, final, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from backlight.attribution.token_marks import BEGINS, unmarked
from backlight.errors import InputError, shown


@runtime_checkable
class HuggingFaceTokenizer(Protocol):
    """What is asked of a tokenizer of `transformers`."""

    all_special_ids: list[int]

    def convert_ids_to_tokens(self, ids: list[int]) -> list[str]: ...


@runtime_checkable
class Vocabulary(Protocol):
    """What is asked of a tokenizer of `tokenizers` or of KerasHub."""

    def id_to_token(self, id: int) -> str | None: ...


TokenNames: TypeAlias = (
    HuggingFaceTokenizer
    | Vocabulary
    | Callable[[int], str]
    | Mapping[int, str]
    | Sequence[str]
    | Sequence[Sequence[str]]
)
"""What tells tokens' texts: a tokenizer, a function or mapping from ids, the vocabulary in the order of
its ids, or the tokens of each example."""


@final
@dataclass(frozen=True)
class NamedTokens:
    """The tokens of N examples, without the marks of their tokenizer, and their words; see
    `DescribedInput`."""

    tokens: tuple[tuple[str, ...], ...]
    words: tuple[tuple[int, ...], ...]


def named_tokens(
    ids: NDArray[np.integer], names: TokenNames, padding: NDArray[np.bool_] | None = None
) -> NamedTokens:
    """The texts of tokens.

    A token is in the word of the one before it where its own mark says so; in vocabularies without
    marks each token is a word.

    Args:
        ids: (N, L).
        names: what tells their texts.
        padding: which tokens are none, (N, L), where that is known.

    Raises:
        InputError: an id has no text, or there are not as many texts as ids.
    """
    rows = texts_of(ids, names)
    apart = special(ids, names)
    if padding is not None:
        apart = apart | padding
    every = [token for row in rows for token in row]
    mark = next((mark for mark in BEGINS if any(map(str.startswith, every, repeat(mark)))), "")
    pairs = [unmarked(row, alone.tolist(), mark) for row, alone in zip(rows, apart, strict=True)]
    return NamedTokens(tuple(tokens for tokens, _ in pairs), tuple(words for _, words in pairs))


def texts_of(ids: NDArray[np.integer], names: TokenNames) -> list[list[str]]:
    """The tokens as their tokenizer writes them."""
    if isinstance(names, Sequence) and names and not isinstance(names[0], str):
        rows = [list(row) for row in names]
        if [len(row) for row in rows] != [ids.shape[1]] * len(ids):
            lengths = sorted({len(row) for row in rows})
            raise InputError(
                f"names must have the {ids.shape[1]} tokens of each of the {len(ids)} examples, padding "
                f"included; got {len(rows)} lists of {shown(lengths)} tokens."
            )
        return rows
    text = text_by_id(names)
    known = {one: text(one) for one in np.unique(ids).tolist()}
    return [[known[one] for one in row] for row in ids.tolist()]


def text_by_id(names: TokenNames) -> Callable[[int], str]:
    """A function from an id to its text.

    Raises:
        InputError: by the function, for an id that has none; or these are no names of tokens.
    """
    convert = getattr(names, "convert_ids_to_tokens", None)
    lookup = getattr(names, "id_to_token", None)

    def found(id: int) -> object:
        try:
            if convert is not None:
                return convert([id])[0]
            if lookup is not None:
                return lookup(id)
            if isinstance(names, (Mapping, Sequence)):
                return names[id]
            return names(id)  # type: ignore[operator]
        except (IndexError, KeyError, ValueError):
            return None

    def text(id: int) -> str:
        token = found(id)
        if isinstance(token, str):
            return token
        raise InputError(
            f"There is no token of id {id} in {type(names).__name__}: is it the tokenizer, or the "
            "vocabulary, of this model?"
        )

    return text


def special(ids: NDArray[np.integer], names: TokenNames) -> NDArray[np.bool_]:
    """Which of these are special tokens, padding among them, as far as the tokenizer tells."""
    of_all = getattr(names, "all_special_ids", None)
    if of_all is None:
        alone = (
            getattr(names, f"{name}_id", None) for name in ("pad_token", "start_token", "end_token")
        )
        of_all = [one for one in alone if isinstance(one, int)]
    return np.isin(ids, np.asarray(of_all, dtype=np.int64))
