"""Which of the numbers that an encoder makes are of which column, by what it does."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from backlight.errors import InputError, is_real
from backlight_loading.encoders import Encoder, encoded, flat
from backlight_loading.encoding import Encoding, called, output_names
from backlight_loading.known_values import known_values

MOST_VALUES = 512
"""How many values of a column are tried, of those that rows have."""

Encode: TypeAlias = Callable[[NDArray[Any]], NDArray[Any]]
"""From rows (n, columns) to numbers (n, F)."""


def encoding_of(
    encoder: Encoder, rows: NDArray[Any], known: Sequence[str], used: Sequence[str]
) -> Encoding:
    """Which numbers an encoder makes of which columns, by what changes where one column alone does.

    Args:
        rows: some of the data, (n, columns), which it can encode.
        known: names of the data's columns.
        used: those that it is given.

    Raises:
        InputError: a row is encoded otherwise alone than among others.
    """
    places = tuple(known.index(name) for name in used)
    some = rows[:, list(places)]
    sample = encoded(encoder, some[:1], used)

    def encode(given: NDArray[Any]) -> NDArray[Any]:
        return flat(encoded(encoder, given, used))

    together, alone = encode(some), flat(sample)
    if together.shape[1:] != alone.shape[1:] or not same(together[:1], alone).all():
        raise InputError(
            f"{called(encoder)} makes other numbers of a row alone than among {len(some)}: it must treat "
            "each row by itself, by what it has learned from the rows that the model was trained on."
        )
    told = known_values(encoder, used)
    tried = [values_of(some[:, k], told.get(name, [])) for k, name in enumerate(used)]
    changes = np.stack([changed(encode, some, k, values) for k, values in enumerate(tried)])
    several = changes.sum(axis=0) > 1
    make = partial(Encoding, encoder, tuple(used), places, sample)
    count, outputs = len(several), output_names(encoder, sample)
    if several.any():
        mixed = tuple(name for name, row in zip(used, changes, strict=True) if row[several].any())
        return make(outputs, np.arange(count), (None,) * count, mixed)
    behind = [k for k, row in enumerate(changes) if row.any()]
    single = np.flatnonzero(~changes.any(axis=0))
    labels = np.empty(count, dtype=np.int64)
    for number, k in enumerate(behind):
        labels[changes[k]] = number
    labels[single] = len(behind) + np.arange(len(single))
    features = (*(used[k] for k in behind), *(outputs[k] for k in single))
    return make(features, labels, (*(places[k] for k in behind), *(None,) * len(single)))


def changed(
    encode: Encode, rows: NDArray[Any], column: int, values: Sequence[Any]
) -> NDArray[np.bool_]:
    """Which numbers change where this column has other values, (F,). One that cannot be encoded is left
    out."""
    # Each value in several rows that have another, as what one row hides another may show.
    each = max(2, MOST_VALUES // len(values))
    places: list[int] = []
    put: list[Any] = []
    for turn, value in enumerate(values):
        others = np.flatnonzero(rows[:, column] != value)
        places += others[(turn + np.arange(min(each, len(others)))) % max(len(others), 1)].tolist()
        put += [value] * (len(places) - len(put))
    before, after = rows[places], rows[places]
    after[:, column] = put
    try:
        return np.asarray(~same(encode(before), encode(after)).all(axis=0))
    except InputError:
        if len(values) == 1:
            return np.zeros(encode(rows[:1]).shape[1], dtype=np.bool_)
        half = len(values) // 2
        parts = (changed(encode, rows, column, one) for one in (values[:half], values[half:]))
        return np.logical_or(*parts)


def values_of(cells: NDArray[Any], known: Sequence[Any]) -> list[Any]:
    """Different values that a column may have: those of some rows, those that are known, and none."""
    some = list(dict.fromkeys(cells.tolist()))[:MOST_VALUES]
    fits = [one for one in known if cells.dtype.hasobject or is_real(one)]
    return [*dict.fromkeys([*some, *fits]), np.nan]


def same(one: NDArray[Any], other: NDArray[Any]) -> NDArray[np.bool_]:
    return np.asarray(np.isclose(one, other, rtol=1e-6, atol=0, equal_nan=True))
