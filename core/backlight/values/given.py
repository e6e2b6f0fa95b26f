"""Inputs as users have them: data frames, rows of one, mappings of other libraries."""

from collections.abc import Mapping
from typing import Any, cast

import numpy as np

from backlight.errors import InputTypeError


def taken_in(x: object) -> tuple[object, tuple[str, ...] | None]:
    """Inputs as arrays, or a tuple or dict of them, and the names of a data frame's columns.

    A data frame (of pandas or polars, or whatever has `columns` and `to_numpy`) or a table of pyarrow's
    becomes an array (rows, columns) of float64, a row of one (a pandas `Series`) an array (1, columns). A
    mapping becomes a dict. All else is left as it is.

    Raises:
        InputTypeError: a column holds something else than numbers.
    """
    if isinstance(x, Mapping) and not isinstance(x, dict):
        return dict(x), None
    if hasattr(x, "column_names") and hasattr(x, "to_pandas"):
        x = x.to_pandas()
    frame = cast(Any, x)
    of_frame = hasattr(x, "to_numpy") and not hasattr(x, "__array_namespace__")
    if not of_frame or not (hasattr(x, "columns") or hasattr(x, "index")):
        return x, None
    whole = hasattr(x, "columns")
    names = tuple(map(str, frame.columns if whole else frame.index))
    table = np.asarray(frame.to_numpy())
    if table.dtype.kind not in "fiub":
        rows = table.reshape(-1, len(names))
        wrong = [name for name, cells in zip(names, rows.T, strict=True) if not numeric(cells)]
        if wrong:
            raise InputTypeError(
                f"The columns {', '.join(map(repr, wrong))} hold something else than numbers. Encode "
                "categories as the model was trained on them, say by one column for each category, and "
                "explain those as one: Columns({'colour': (3, 4, 5)})."
            )
    return table.reshape(-1, len(names)).astype(np.float64), names


def numeric(cells: Any) -> bool:
    try:
        np.asarray(cells, dtype=np.float64)
    except (TypeError, ValueError):
        return False
    return not any(isinstance(cell, str) for cell in cells)
