"""The columns of a data frame, whose rows become arrays, and a frame again for models that take one."""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeAlias, cast, final

import numpy as np
from numpy.typing import NDArray

from backlight.errors import InputError, InputTypeError, shown

if TYPE_CHECKING:
    from pandas import DataFrame, Series
    from pandas.api.extensions import ExtensionDtype

Dtype: TypeAlias = "np.dtype[np.generic] | ExtensionDtype | str | None"

FEW = 8
"""How many categories are named at most."""


@final
@dataclass(frozen=True, eq=False)
class FrameColumns:
    """What the columns of a data frame are.

    Attributes:
        names: in their order.
        dtypes: pandas' own; None for whatever the cells are, "category" for whichever categories they
            are of.
        refusal: why rows are no arrays of numbers, as a sentence; "" where they are.
    """

    names: tuple[str, ...]
    dtypes: tuple[Dtype, ...]
    refusal: str = ""

    def require_numbers(self) -> None:
        """Raise InputTypeError where rows are no arrays of numbers."""
        if self.refusal:
            raise InputTypeError(self.refusal)

    def frame(self, rows: NDArray[Any]) -> "DataFrame":
        """Rows (n, columns) as a frame of pandas: columns of words and categories have the dtypes that
        they had, those of numbers that of their cells.

        Raises:
            InputError: a cell is none of its column's categories.
        """
        pandas = import_module("pandas")
        table = pandas.DataFrame(rows, columns=[*self.names])
        typed = zip(table.items(), self.dtypes, strict=True)
        made = {name: with_dtype(column, dtype) for (name, column), dtype in typed}
        return cast("DataFrame", pandas.DataFrame(made))


def with_dtype(column: "Series[Any]", dtype: Dtype) -> "Series[Any]":
    """A column of objects as one of this dtype. One that is empty may be of words, and stays."""
    if dtype is None or of_numbers(dtype):
        return column if column.isna().all() else column.infer_objects()
    known = getattr(dtype, "categories", None)
    if known is not None:
        odd = column[~(column.isin(known) | column.isna())]
        if len(odd):
            more = f" and {len(known) - FEW} more" if len(known) > FEW else ""
            raise InputError(
                f"The column {column.name!r} has the categories {', '.join(map(str, known[:FEW]))}{more},"
                f" and a row with {shown(odd.iloc[0])} in it was asked about. What stands for a category "
                "that is absent is another one: say a row as the baseline, or Drawn(frame.to_numpy())."
            )
    return column.astype(cast(Any, dtype))


def of_numbers(dtype: object) -> bool:
    """Whether a column of this dtype holds numbers or truth values."""
    return getattr(dtype, "kind", "O") in "fiub"


def columns_and_rows(frame: Any) -> tuple[FrameColumns, NDArray[Any]]:
    """The columns of a data frame, and its rows: float64 where all are numbers, else objects, in which
    NaN is an empty cell. A row of one (a `Series`) has whatever columns its cells show.

    Args:
        frame: of pandas or polars, or whatever has `columns` and `to_numpy`; or a row of one.
    """
    whole = hasattr(frame, "columns")
    names = tuple(map(str, frame.columns if whole else frame.index))
    dtypes: tuple[Any, ...] = tuple(frame.dtypes) if whole else (None,) * len(names)
    rows = np.asarray(frame.to_numpy()).reshape(-1, len(names))
    if not hasattr(frame, "iloc"):  # of another library, whose dtypes pandas does not know
        dtypes = (None,) * len(names)
    if rows.dtype.kind in "fiub" and all(dtype is None or of_numbers(dtype) for dtype in dtypes):
        return FrameColumns(names, dtypes), rows.astype(np.float64)
    cells = rows.astype(object)
    isna = getattr(frame, "isna", None)
    nothing = isna() if isna else [[cell is None for cell in row] for row in cells]
    empty = np.asarray(nothing, dtype=np.bool_).reshape(cells.shape)
    cells[empty] = np.nan
    columns = zip(names, dtypes, cells.T, strict=True)
    words = [name for name, dtype, own in columns if not (of_numbers(dtype) or numeric(dtype, own))]
    if words:
        return FrameColumns(names, dtypes, no_numbers(words)), cells
    nullable = [not isinstance(dtype, np.dtype) and of_numbers(dtype) for dtype in dtypes]
    return FrameColumns(names, dtypes, missing(frame, names, empty & nullable)), cells.astype(
        np.float64
    )


def numeric(dtype: object, cells: NDArray[Any]) -> bool:
    """Whether a column that may hold anything holds nothing but numbers."""
    return (dtype is None or dtype == np.object_) and not any(
        isinstance(cell, str) or not np.isscalar(cell) for cell in cells
    )


def no_numbers(names: Sequence[str]) -> str:
    return (
        f"The columns {', '.join(map(repr, names))} hold something else than numbers. Encode "
        "categories as the model was trained on them: as ids, in an array of whole numbers, or "
        "by one column for each, explained as one: Columns({'colour': (3, 4, 5)})."
    )


def missing(frame: Any, names: Sequence[str], empty: NDArray[np.bool_]) -> str:
    """Which cell is empty, the first one; "" where none is."""
    if not empty.any():
        return ""
    row, column = np.argwhere(empty)[0].tolist()
    return (
        f"The column {names[column]!r} is empty in row {row}, {shown(frame.index[row])} by its index: a "
        f"net takes numbers alone. Fill it as where the net was trained, frame[{names[column]!r}].fillna("
        "...), or leave the row out."
    )
