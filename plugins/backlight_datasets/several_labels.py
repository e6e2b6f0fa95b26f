"""Several labels of each example: in columns of their own, or in one cell."""

from array import array
from collections.abc import Mapping, Sequence
from typing import TypeAlias, final

import numpy as np

from backlight.errors import InputError, is_real, shown
from backlight.values.examples import UNKNOWN, Labels, labels_of
from backlight_datasets.class_names import MOST, LabelColumn, in_classes
from backlight_datasets.column_names import ColumnNames

NamedLabels: TypeAlias = tuple[Labels, tuple[str, ...]]
"""Labels, and the names of their classes, or of each label."""

TRUTHS = ("false", "true")


@final
class RowLabels:
    """The labels of a table's rows, as they come: of one column, of several, or lists in one.

    Args:
        columns: of the labels, and what separates several in a cell.
    """

    def __init__(self, columns: ColumnNames) -> None:
        self._separator = columns.label_separator
        self._columns = {name: LabelColumn() for name in columns.labels}
        self._lists = LabelLists()
        self._count = 0

    def add(self, cells: Sequence[object]) -> None:
        """A row's cells of these columns: texts, or whatever JSON has; None where nothing is said."""
        if not cells:
            return
        (first, *_) = cells
        if self._separator or self._lists.count or isinstance(first, list):
            while self._lists.count < self._count:  # of rows before, which said nothing
                self._lists.add(None)
            self._lists.add(separated(first, self._separator))
        else:
            for column, cell in zip(self._columns.values(), cells, strict=True):
                column.add("" if cell is None else str(cell))
        self._count += 1

    def labels(self, classes: Sequence[str], where: str) -> NamedLabels:
        """See `combined`."""
        if self._lists.count:
            (name,) = self._columns
            return combined({name: self._lists.labels(where)}, classes, where)
        found = {name: one.labels((), where) for name, one in self._columns.items()}
        return combined(found, classes, where)


def separated(cell: object, separator: str) -> Sequence[object] | None:
    """The labels in a cell: a list's, or the names between separators; None where nothing is said."""
    if isinstance(cell, str) and separator:
        return [name.strip() for name in cell.split(separator) if name.strip()]
    return cell if isinstance(cell, list) else None


@final
class LabelLists:
    """Lists of labels, collected in 8 bytes each: names of those that an example has, or a number, 0 or 1
    say, for each of them."""

    def __init__(self) -> None:
        self._codes = array("q")
        self._different: dict[tuple[object, ...] | None, int] = {}

    @property
    def count(self) -> int:
        return len(self._codes)

    def add(self, labels: Sequence[object] | None) -> None:
        """Those of one example; None where they are not known."""
        key = None if labels is None else tuple(labels)
        self._codes.append(self._different.setdefault(key, len(self._different)))

    def labels(self, where: str) -> NamedLabels:
        """Names as truth values (N, L), in sorted order; numbers as they are. Those that are not known
        are -1 among whole numbers, as names are then too, and NaN among others.

        Raises:
            InputError: there are names and numbers, or not as many numbers of each example.
        """
        lists = [one for one in self._different if one is not None]
        names: tuple[str, ...] = ()
        if all(isinstance(name, str) for one in lists for name in one):
            names = tuple(sorted({str(name) for one in lists for name in one}))
            if len(names) >= MOST or not names:
                raise InputError(
                    f"The labels of {where} have {len(names)} names; there must be some."
                )
            table: Labels = np.array([[name in one for name in names] for one in lists])
        elif all(is_real(number) or isinstance(number, bool) for one in lists for number in one):
            if len(set(map(len, lists))) > 1:
                other = next(one for one in lists if len(one) != len(lists[0]))
                raise InputError(
                    f"The labels of {where} must be as many numbers of each example, or names; got "
                    f"{shown(lists[0])} and {shown(other)}."
                )
            table = labels_of(lists, f" in {where}")
        else:
            raise InputError(f"The labels of {where} must all be names, or all numbers.")
        places: dict[tuple[object, ...] | None, int] = {
            one: place for place, one in enumerate(lists)
        }
        if None in self._different:
            table = with_unknown(table)
        rows = [places.get(one, len(lists)) for one in self._different]  # the last one is unknown
        return table[np.array(rows)[np.array(self._codes)]], names


def with_unknown(table: Labels) -> Labels:
    """Rows of labels, and behind them one of labels that are not known."""
    if table.dtype.kind == "f":
        return np.concatenate([table, np.full((1, table.shape[1]), np.nan)])
    return np.concatenate([table.astype(np.int64), np.full((1, table.shape[1]), UNKNOWN)])


def combined(columns: Mapping[str, NamedLabels], classes: Sequence[str], where: str) -> NamedLabels:
    """The labels of one column; or of several side by side, (N, L), called as the columns: truth values
    where all are, else whole numbers, or numbers.

    Args:
        classes: all classes, or labels, in the model's order, where the columns' own have another.

    Raises:
        InputError: one of several columns holds names; or see `renamed`.
    """
    if len(columns) == 1:
        ((labels, names),) = columns.values()
        return in_classes(labels, names, classes, where)
    found = [truths_in(name, *one, where) for name, one in columns.items()]
    if any(one.dtype.kind == "f" for one in found):
        found = [
            one if one.dtype.kind == "f" else np.where(one == UNKNOWN, np.nan, one) for one in found
        ]
    return in_classes(np.column_stack(found), [*columns], classes, where)


def truths_in(column: str, labels: Labels, names: Sequence[str], where: str) -> Labels:
    """One of several columns of labels, where it holds truth values these."""
    if not names:
        return labels
    lower = [name.lower() for name in names]
    if not set(lower) <= set(TRUTHS):
        raise InputError(
            f"Where several columns hold labels, each says one of them, by 0 and 1, true and false, or a "
            f"number; the column {column} of {where} holds names, such as {shown(names[0])}."
        )
    true = np.array([TRUTHS.index(name) for name in lower])[labels]
    known = labels != UNKNOWN
    return true.astype(np.bool_) if known.all() else np.where(known, true, UNKNOWN)
