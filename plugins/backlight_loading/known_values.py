"""What encoders of scikit-learn tell of the values that they know in each column."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np


def known_values(encoder: Any, columns: Sequence[str]) -> dict[str, list[Any]]:
    """The values that an encoder knows of columns of words, by name; none of what does not tell.

    Those of a ColumnTransformer, a Pipeline or a FeatureUnion are those of the encoders inside, where
    these are given the table's own columns.

    Args:
        columns: that it is given, in their order.
    """
    categories = getattr(encoder, "categories_", None)
    if categories is not None and len(categories) == len(columns):
        return {name: list(one) for name, one in zip(columns, categories, strict=True)}
    found: dict[str, list[Any]] = {}
    for inner, own in inside(encoder, columns):
        found |= known_values(inner, own)
    return found


def inside(encoder: Any, columns: Sequence[str]) -> list[tuple[Any, Sequence[str]]]:
    """The encoders inside of one, with the columns that each is given."""
    if hasattr(encoder, "transformers_"):
        parts = encoder.transformers_
        return [
            (one, chosen(asked, columns)) for _, one, asked in parts if not isinstance(one, str)
        ]
    if hasattr(encoder, "transformer_list"):
        return [(one, columns) for _, one in encoder.transformer_list if not isinstance(one, str)]
    steps = [one for _, one in getattr(encoder, "steps", ()) if not isinstance(one, str)]
    # Whoever comes after what changes the number of columns is given others.
    same = [k for k, one in enumerate(steps) if getattr(one, "n_features_in_", 0) != len(columns)]
    return [(one, columns) for one in steps[: min(same, default=len(steps))]]


def chosen(asked: Any, columns: Sequence[str]) -> list[str]:
    """The columns that a part of a ColumnTransformer is given: by name, place, slice or mask."""
    names = [asked] if isinstance(asked, str) else asked
    if not isinstance(names, slice) and all(isinstance(one, str) for one in names):
        return list(names)
    return list(np.atleast_1d(np.array(columns, dtype=object)[names]))


def told(values: Mapping[str, list[Any]], column: str, most: int = 8) -> str:
    """What is known of a column, for a message; "" where nothing is."""
    known = [str(one) for one in values.get(column, [])]
    more = f" and {len(known) - most} more" if len(known) > most else ""
    return f"; the encoder knows {', '.join(known[:most])}{more}" if known else ""
