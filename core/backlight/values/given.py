"""Inputs as users have them: data frames, rows of one, mappings of other libraries."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import final

from backlight.values.examples import Examples
from backlight.values.frame_columns import FrameColumns, columns_and_rows


@final
@dataclass(frozen=True, eq=False)
class Given:
    """Inputs, with what they say of themselves.

    Attributes:
        x: arrays, or a tuple or dict of them.
        names: of columns or channels; None where they have none.
        class_names: of the net's outputs; None where they have none.
        columns: of a data frame; None where it was none.
    """

    x: object
    names: Sequence[str] | None = None
    class_names: Sequence[str] | None = None
    columns: FrameColumns | None = None


def taken_in(x: object) -> Given:
    """Inputs as arrays, or a tuple or dict of them, with the names that come with them.

    `Examples` have names of columns and classes. A data frame (of pandas or polars, or whatever has
    `columns` and `to_numpy`) or a table of pyarrow's becomes an array (rows, columns) of float64, or of
    objects where a column holds words or categories; a row of one (a pandas `Series`) an array
    (1, columns). A mapping becomes a dict. All else is left as it is.
    """
    if isinstance(x, Mapping) and not isinstance(x, dict):
        return Given(dict(x))
    if isinstance(x, Examples):
        return Given(x.x, x.features or None, x.classes or None)
    if hasattr(x, "column_names") and hasattr(x, "to_pandas"):
        x = x.to_pandas()
    of_frame = hasattr(x, "to_numpy") and not hasattr(x, "__array_namespace__")
    if not of_frame or not (hasattr(x, "columns") or hasattr(x, "index")):
        return Given(x)
    columns, rows = columns_and_rows(x)
    return Given(rows, columns.names, columns=columns)
