"""Inputs as users have them: data frames, rows of one, mappings of other libraries."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast, final

import numpy as np

from backlight.errors import InputTypeError
from backlight.values.examples import Examples


@final
@dataclass(frozen=True, eq=False)
class Given:
    """Inputs, with what they say of themselves.

    Attributes:
        x: arrays, or a tuple or dict of them.
        names: of columns or channels; None where they have none.
        class_names: of the net's outputs; None where they have none.
    """

    x: object
    names: Sequence[str] | None = None
    class_names: Sequence[str] | None = None


def taken_in(x: object) -> Given:
    """Inputs as arrays, or a tuple or dict of them, with the names that come with them.

    `Examples` have names of columns and classes. A data frame (of pandas or polars, or whatever has
    `columns` and `to_numpy`) or a table of pyarrow's becomes an array (rows, columns) of float64, a row
    of one (a pandas `Series`) an array (1, columns). A mapping becomes a dict. All else is left as it is.

    Raises:
        InputTypeError: a column holds something else than numbers.
    """
    if isinstance(x, Mapping) and not isinstance(x, dict):
        return Given(dict(x))
    if isinstance(x, Examples):
        return Given(x.x, x.features or None, x.classes or None)
    if hasattr(x, "column_names") and hasattr(x, "to_pandas"):
        x = x.to_pandas()
    frame = cast(Any, x)
    of_frame = hasattr(x, "to_numpy") and not hasattr(x, "__array_namespace__")
    if not of_frame or not (hasattr(x, "columns") or hasattr(x, "index")):
        return Given(x)
    whole = hasattr(x, "columns")
    names = tuple(map(str, frame.columns if whole else frame.index))
    table = np.asarray(frame.to_numpy())
    if table.dtype.kind not in "fiub":
        rows = table.reshape(-1, len(names))
        wrong = [name for name, cells in zip(names, rows.T, strict=True) if not numeric(cells)]
        if wrong:
            raise InputTypeError(
                f"The columns {', '.join(map(repr, wrong))} hold something else than numbers. Encode "
                "categories as the model was trained on them: as ids, in an array of whole numbers, or "
                "by one column for each, explained as one: Columns({'colour': (3, 4, 5)})."
            )
    return Given(table.reshape(-1, len(names)).astype(np.float64), names)


def numeric(cells: Any) -> bool:
    try:
        np.asarray(cells, dtype=np.float64)
    except (TypeError, ValueError):
        return False
    return not any(isinstance(cell, str) for cell in cells)
