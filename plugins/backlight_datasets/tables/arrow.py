"""pyarrow's columns."""

from collections.abc import Iterable, Sequence
from types import ModuleType
from typing import Any

import numpy as np

from backlight.plugins.extras import extra
from backlight.values.examples import UNKNOWN
from backlight_datasets.class_names import LabelColumn
from backlight_datasets.several_labels import LabelLists, NamedLabels, separated


def pyarrow() -> ModuleType:
    """pyarrow with its reader of Parquet, which is an extra."""
    asked = "parquet", "Parquet files need pyarrow"
    extra("pyarrow.parquet", *asked)
    return extra("pyarrow", *asked)


def is_number(kind: Any) -> bool:
    known = pyarrow().types
    return any(
        test(kind)
        for test in (known.is_integer, known.is_floating, known.is_boolean, known.is_decimal)
    )


def is_list(kind: Any) -> bool:
    known = pyarrow().types
    return any(
        test(kind) for test in (known.is_list, known.is_large_list, known.is_fixed_size_list)
    )


def rows_of(piece: Any, columns: Sequence[str]) -> Sequence[Any]:
    """What x is made from in each row: numbers of all columns, a list of what several columns hold, or
    what the one column holds."""
    found = {name: piece.column(name) for name in columns}
    odd = [name for name, column in found.items() if not is_number(column.type)]
    if not odd:
        narrow = {pyarrow().float16(), pyarrow().float32()}
        kinds = {column.type for column in found.values()}
        wide = pyarrow().float32() if kinds <= narrow else pyarrow().float64()
        columns_of_numbers = [
            one.cast(wide).to_numpy(zero_copy_only=False) for one in found.values()
        ]
        return list(np.column_stack(columns_of_numbers))
    if len(found) > 1:
        cells = [column.to_pylist() for column in found.values()]
        return [list(row) for row in zip(*cells, strict=True)]
    column = found[odd[0]]
    if is_list(column.type) and is_number(column.type.value_type):
        lists = (row.values for row in column)
        return [None if row is None else row.to_numpy(zero_copy_only=False) for row in lists]
    rows: Sequence[Any] = column.to_pylist()
    return rows


def labels_in(parts: Iterable[Any], kind: Any, separator: str, where: str) -> NamedLabels:
    """The labels of a column, and the names of their classes; see `LabelColumn` for texts, and
    `LabelLists` for lists and for texts that are separated.

    Args:
        parts: of the column, in order.
        kind: its type.
        separator: of names in one cell; "" where a cell is one.
    """
    known = pyarrow().types
    if known.is_floating(kind) or known.is_decimal(kind):
        wide = pyarrow().float64()
        return np.concatenate(
            [part.cast(wide).to_numpy(zero_copy_only=False) for part in parts]
        ), ()
    if is_number(kind):
        whole = pyarrow().int64()
        return np.concatenate(
            [part.cast(whole).fill_null(UNKNOWN).to_numpy() for part in parts]
        ), ()
    cells = (cell for part in parts for cell in part.to_pylist())
    if separator or is_list(kind):
        lists = LabelLists()
        for cell in cells:
            lists.add(separated(cell, separator))
        return lists.labels(where)
    texts = LabelColumn()
    for cell in cells:
        texts.add("" if cell is None else str(cell))
    return texts.labels((), where)
