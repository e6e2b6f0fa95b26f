"""Tables with words: what encodes them, and how."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backlight.errors import InputError
from backlight_datasets import Source
from backlight_datasets.tables.cells import refuse_words
from backlight_loading.encoded_columns import encoding_of
from backlight_loading.encoders import Encoder, fitted_on, load_encoder, of_pipeline
from backlight_loading.encoding import Encoding
from backlight_loading.techniques import Technique
from backlight_study.answers import with_default
from backlight_study.encoded_rows import EncodedRows, column_names

RANGES, STEP = 16, 64
"""From how many places of the data rows are taken to look at an encoder, and how many from each."""


def encoding(
    said: Encoder | str | None, net: object, source: Source, first: NDArray[Any]
) -> tuple[Encoding, EncodedRows] | None:
    """How the rows of a table are encoded, and those that can be; None where they hold numbers, and
    nothing else is said. Of a
    pipeline that was fitted on columns with names, the steps before its last one encode rows with words.

    Args:
        said: the encoder, or its name.
        net: the model as the user has it.
        first: an example, (1, columns).

    Raises:
        InputError: rows have words, and nothing encodes them; an encoder is said, and the model takes the
            columns themselves; the encoder takes others, or none of the rows; or see `encoding_of`.
    """
    if said is not None and of_pipeline(net) is not None:
        require_encoded(net, column_names(source, first))
    steps = of_pipeline(net) if said is None and first.dtype.hasobject else None
    encoder = load_encoder(said) if isinstance(said, str) else steps[0] if steps else said
    if encoder is None:
        refuse_words(words_in(column_names(source, first), first), "the data")
        return None
    rows = EncodedRows(source, encoder)
    some = np.concatenate([rows.sound, some_rows(rows)])
    found = encoding_of(encoder, some, rows.columns, rows.used)
    name = said if isinstance(said, str) else None
    return replace(found, name=name, steps=steps is not None), rows


def require_encoded(pipeline: object, columns: Sequence[str]) -> None:
    """Raise InputError where a pipeline was fitted on the table's columns, not on encoded numbers."""
    if set(fitted_on(pipeline) or ()) <= set(columns):
        raise InputError(
            f"The {type(pipeline).__name__} was fitted on the table's own columns, and encodes them "
            "itself: leave out --encoder (encoder=), which is for models of numbers. To compare it with "
            "one, compare its last step, for which the encoder may be its first ones, pipeline[:-1]."
        )


def some_rows(source: Source) -> NDArray[Any]:
    """Rows from several places of the data, (n, columns)."""
    starts = np.linspace(0, max(len(source) - STEP, 0), RANGES).astype(int)
    ranges = [(start, min(start + STEP, len(source))) for start in np.unique(starts).tolist()]
    return np.concatenate([source.read(*one).x for one in ranges])


def words_in(columns: Sequence[str], rows: NDArray[Any]) -> dict[str, list[str]]:
    """The words of each column that has some, by its name."""
    found = (
        (name, [one for one in cells if isinstance(one, str)])
        for name, cells in zip(columns, rows.T.tolist(), strict=True)
    )
    return {name: words for name, words in found if words}


def with_columns(chosen: Sequence[Technique], encoding: Encoding) -> list[Technique]:
    """The techniques, told to hide what a column was encoded into together, where they were told nothing
    else."""
    return [
        replace(one, method=with_default(one.method, features=encoding.together)) for one in chosen
    ]
