"""From texts to what a model takes: ids of tokens, all texts as long, and what goes with them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, cast, final

import numpy as np
from numpy.typing import NDArray

from backlight import TokenBaseline
from backlight.attribution.described import DescribedInput
from backlight.attribution.tokens import named_tokens
from backlight.errors import InputError
from backlight_loading.sent_by_name import SentByName
from backlight_loading.tokenizers import (
    Tokenizer,
    ids_of,
    is_hugging_face,
    load_tokenizer,
    names_of,
    padding_id,
)

IDS, MASK = "input_ids", "attention_mask"
"""What Hugging Face calls the ids, and the input that is 0 at padding."""

APART = ("cls", "sep", "bos", "eos")
"""Tokens that are in a text whatever it says, as tokenizers call them."""

TokenInput: TypeAlias = NDArray[Any] | dict[str, NDArray[Any]]
"""Ids (n, length), or a dict with ids and a mask."""

MOST_TOKENS = 1_000_000
"""Hugging Face's tokenizers say a far larger number for a length that they do not know."""


@final
@dataclass(frozen=True)
class Tokenization(SentByName):
    """How texts become ids (N, length), int64; or the dict of arrays that a tokenizer of Hugging Face's
    gives, with a mask.

    Attributes:
        tokenizer: makes the ids.
        length: of every text in tokens: shorter ones are filled up, longer ones cut off.
        name: of the tokenizer, see `load_tokenizer`.
        digest: of what it makes of the texts of a data set, which tells it from others; "" where it was
            not asked for all of them.
    """

    held = "tokenizer"
    load = staticmethod(load_tokenizer)

    tokenizer: Tokenizer
    length: int
    name: str | None = None
    digest: str = ""

    def __call__(self, x: NDArray[Any]) -> TokenInput:
        """Texts (n,), or ids (n, length) that are ready."""
        if x.dtype.kind in "iu":
            return x.astype(np.int64)
        texts = [str(one) for one in x.tolist()]
        if is_hugging_face(self.tokenizer):
            found = cast(Any, self.tokenizer)(
                texts, padding="max_length", truncation=True, max_length=self.length
            )
            return {name: np.asarray(rows, dtype=np.int64) for name, rows in found.items()}
        ids = np.full((len(texts), self.length), padding_id(self.tokenizer), dtype=np.int64)
        for row, own in zip(ids, ids_of(self.tokenizer, texts), strict=True):
            row[: len(own)] = own[: self.length]
        return ids

    @property
    def absent(self) -> TokenBaseline:
        """What stands for a token that is absent: the tokenizer's mask, or else padding. What is in a
        text whatever it says stays."""
        mask, padding = getattr(self.tokenizer, "mask_token_id", None), padding_id(self.tokenizer)
        apart = (getattr(self.tokenizer, f"{name}_token_id", None) for name in APART)
        kept = {padding, *(int(id) for id in apart if id is not None)}
        return TokenBaseline(padding if mask is None else int(mask), keep=sorted(kept))

    @property
    def said(self) -> str:
        """In words."""
        return f"{self.length} tokens of {type(self.tokenizer).__qualname__}"

    def described(self, x: NDArray[Any]) -> DescribedInput:
        """The tokens of texts (n,) and the words that they are of."""
        found = self(x)
        ids = found[IDS] if isinstance(found, Mapping) else found
        padding = ids == padding_id(self.tokenizer)
        if isinstance(found, Mapping) and MASK in found:
            padding = found[MASK] == 0
        texts = [str(one) for one in x.tolist()] if x.dtype.kind in "OU" else None
        names = names_of(self.tokenizer, texts, ids)
        tokens = named_tokens(ids, names, padding)
        return DescribedInput("text", tokens=tokens.tokens, words=tokens.words, given=~padding)


@final
@dataclass(frozen=True)
class Extent:
    """What the texts of a data set need of a model.

    Attributes:
        longest: tokens of the longest text.
        longest_name: what that is called.
        highest: the highest id.
        highest_name: the text it is in.
    """

    longest: int = 0
    longest_name: str = ""
    highest: int = 0
    highest_name: str = ""

    def with_texts(self, ids: Sequence[NDArray[np.int64]], names: Sequence[str]) -> "Extent":
        """With these texts too."""
        longest, longest_name, highest, highest_name = (
            self.longest,
            self.longest_name,
            self.highest,
            self.highest_name,
        )
        for own, name in zip(ids, names, strict=True):
            if len(own) > longest:
                longest, longest_name = len(own), name
            if len(own) and own.max() > highest:
                highest, highest_name = int(own.max()), name
        return Extent(longest, longest_name, highest, highest_name)


def length_of(extent: Extent, tokenizer: Tokenizer, said: int | None, declared: int | None) -> int:
    """How many tokens each text is brought to: as many as are said, or the model declares, or the longest
    text has.

    Args:
        said: by the user.
        declared: by the model's input shape.

    Raises:
        InputError: the model takes fewer than the longest text has, and nobody said to cut it.
    """
    most = declared
    own = getattr(tokenizer, "model_max_length", None)
    if most is None and isinstance(own, int) and own < MOST_TOKENS:
        most = own
    if most is not None and (said or extent.longest) > most:
        whose = f"{said} tokens are asked for"
        if not said:
            whose = f"The text {extent.longest_name!r} has {extent.longest} tokens"
        raise InputError(
            f"{whose}, and the model takes {most}: cut longer texts with --tokens {most} "
            f"(tokens={most} in Python)."
        )
    return declared or said or max(extent.longest, 1)
