"""Tokenizers: from texts to the ids of tokens, and back to the tokens' texts."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from backlight.attribution.tokens import HuggingFaceTokenizer, TokenNames, text_by_id
from backlight.errors import InputError, reason
from backlight.plugins.extras import extra
from backlight_loading.references import is_reference, is_there, load_reference, made

Tokenizer: TypeAlias = Callable[[list[str]], object]
"""From n texts to their ids, a list or row of whole numbers each, and from an id to its token by a method
`id_to_token(id)`; or a tokenizer of Hugging Face's `transformers`. A method `tokenize(text)`, if there is
one, gives the tokens as the text has them, those without an id of their own too."""

PADDING = 0
"""The id of padding, where a tokenizer names none in `pad_token_id`."""


def load_tokenizer(text: str) -> Tokenizer:
    """The tokenizer that a user names.

    Args:
        text: `file.py:name` or `package.module:name` of one, or of a function without required arguments
            that returns one; or the folder, or `tokenizer.json`, of one of Hugging Face's.

    Raises:
        InputError: nothing is there, or it is none.
        PluginError: it is one of Hugging Face's, and `transformers` is not installed.
    """
    if is_reference(text):
        return checked(made(load_reference(text), text), text)
    path = Path(text)
    if not is_there(path):
        raise InputError(
            f"No such tokenizer: {text}. Give file.py:name or package.module:name of one, or the folder "
            "of one of Hugging Face's."
        )
    transformers = extra(
        "transformers", "hugging-face", f"{path} needs Hugging Face's transformers"
    )
    try:
        if path.is_dir():
            return cast(
                Tokenizer,
                transformers.AutoTokenizer.from_pretrained(str(path), local_files_only=True),
            )
        return cast(Tokenizer, transformers.PreTrainedTokenizerFast(tokenizer_file=str(path)))
    except Exception as error:  # its readers raise errors of any kind
        raise InputError(f"{path} could not be read as a tokenizer: {reason(error)}.") from error


def checked(found: object, what: str) -> Tokenizer:
    """A tokenizer that tells its tokens' texts.

    Raises:
        InputError: it does not.
    """
    tells = any(hasattr(found, name) for name in ("id_to_token", "convert_ids_to_tokens"))
    if not callable(found) or not tells:
        raise InputError(
            f"{what} is a {type(found).__qualname__}; a tokenizer is called with a list of texts, gives "
            "the ids of each, and has a method id_to_token(id) that gives a token's text."
        )
    return cast(Tokenizer, found)


def names_of(
    tokenizer: Tokenizer, texts: Sequence[str] | None, ids: NDArray[np.int64]
) -> TokenNames:
    """What tells the tokens of examples.

    Args:
        texts: of each, where they are known.
        ids: (N, length), padding included.
    """
    names = cast(TokenNames, tokenizer)
    tokenize = getattr(tokenizer, "tokenize", None)
    if tokenize is None or texts is None or is_hugging_face(tokenizer):
        return names
    filled = text_by_id(names)(padding_id(tokenizer))
    length = ids.shape[1]
    rows = [[*map(str, tokenize(text)[:length])] for text in texts]
    return [[*row, *[filled] * (length - len(row))] for row in rows]


def is_hugging_face(tokenizer: Tokenizer) -> bool:
    return isinstance(tokenizer, HuggingFaceTokenizer)


def padding_id(tokenizer: Tokenizer) -> int:
    """The id that fills up shorter texts."""
    found = getattr(tokenizer, "pad_token_id", None)
    return PADDING if found is None else int(found)


def ids_of(tokenizer: Tokenizer, texts: Sequence[str]) -> list[NDArray[np.int64]]:
    """The ids of each text, without padding, (tokens,) each.

    Raises:
        InputError: the tokenizer fails, or gives no ids.
    """
    try:
        found: Any = cast(Any, tokenizer)(list(texts))
    except Exception as error:  # it is the user's code
        raise InputError(f"The tokenizer failed: {reason(error)}") from error
    rows = found["input_ids"] if isinstance(found, Mapping) else found
    try:
        ids = [np.asarray(row) for row in rows]
    except (TypeError, ValueError) as error:
        raise InputError(f"The tokenizer gave no ids: {reason(error)}") from error
    if len(ids) != len(texts) or any(one.ndim != 1 or one.dtype.kind not in "iuf" for one in ids):
        raise InputError(
            f"The tokenizer must give a list of whole numbers for each of {len(texts)} texts; it gave "
            f"{len(ids)} of {sorted({f'{one.dtype} {one.shape}' for one in ids})[:3]}."
        )
    return [one.astype(np.int64) for one in ids]
