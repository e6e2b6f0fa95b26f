"""pyarrow's columns."""

from collections.abc import Iterable, Sequence
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backlight.plugins.extras import extra
from backlight.values.examples import UNKNOWN, Labels, labels_of
from backlight_datasets.class_names import LabelColumn, in_classes


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


def labels_in(
    parts: Iterable[Any], kind: Any, classes: Sequence[str], where: str
) -> tuple[Labels, tuple[str, ...]]:
    """The labels of a column, and the names of their classes; see `LabelColumn` for texts.

    Args:
        parts: of the column, in order.
        kind: its type.
        classes: all classes in the model's order, where the column's own have another.
    """
    known = pyarrow().types
    if is_number(kind) and not (known.is_floating(kind) or known.is_decimal(kind)):
        whole = pyarrow().int64()
        numbers = [part.cast(whole).fill_null(UNKNOWN).to_numpy() for part in parts]
        return in_classes(np.concatenate(numbers), (), classes, where)
    if is_number(kind):
        wide = pyarrow().float64()
        numbers = [part.cast(wide).to_numpy(zero_copy_only=False) for part in parts]
        return in_classes(np.concatenate(numbers), (), classes, where)
    if is_list(kind):
        rows: NDArray[Any] = np.array([row for part in parts for row in part.to_pylist()])
        return in_classes(labels_of(rows, f" in {where}"), (), classes, where)
    texts = LabelColumn()
    for part in parts:
        for text in part.to_pylist():
            texts.add("" if text is None else str(text))
    return texts.labels(classes, where)
