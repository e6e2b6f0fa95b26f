"""Tables of text: CSV files, and those with tabs."""

from collections.abc import Sequence
from functools import partial
from os import PathLike
from pathlib import Path
from typing import final

import numpy as np

from backlight.errors import InputError, shown
from backlight_datasets.digests import digest_of_texts
from backlight_datasets.element_reader import ElementReader
from backlight_datasets.found import Found
from backlight_datasets.gathering import Example, first_form, gathered
from backlight_datasets.source import Batch, Source, check_range, numbered
from backlight_datasets.tables.text_rows import Rows, find


@final
class DelimitedSource(Source):
    """A CSV file, or one with tabs (`.tsv`): a header, then a row for each example.

    Its columns are features, float64, an empty one NaN; or one names a picture's file in a folder. Rows
    with another number of cells, features that are no numbers and pictures that cannot be read are
    skipped by name. A pickle ships the path.
    """

    def __init__(
        self,
        path: str | PathLike[str],
        reader: ElementReader = ElementReader(),
        classes: Sequence[str] = (),
    ) -> None:
        """
        Args:
            path: of the file, in UTF-8.
            reader: which columns hold what, and how pictures are read; these lie beside the table
                unless another folder is said.
            classes: all classes in the model's order, where the labels' own have another.

        Raises:
            InputError: it cannot be read or holds no examples, or two have the same name.
            UnknownNameError: a column that is not there.
        """
        place = Path(path).absolute()
        self._found = Found(place, partial(find, place, reader.columns, tuple(classes)))
        self._reader = reader.beside(place.parent)
        rows = self._found.now()
        if not rows.count:
            raise InputError(f"{path} has a header and no rows.")
        (row,) = rows.read(0, 1)
        self._pictures = len(rows.columns.x) == 1 and not is_numeric(
            rows.cell(row, rows.columns.x[0])
        )
        self._form = first_form(
            rows.count, lambda k: self._example(rows, rows.read(k, k + 1)[0], k)
        )

    def __len__(self) -> int:
        return self._found.now().count

    @property
    def classes(self) -> tuple[str, ...]:
        return self._found.now().classes

    @property
    def labelled(self) -> bool:
        return bool(self._found.now().columns.label)

    @property
    def left_out(self) -> tuple[str, ...]:
        return ()

    def fingerprint(self) -> str:
        """Of the table's bytes, and of what is taken from it. Of pictures their names count alone, and
        not what is in their files."""
        rows, reader = self._found.now(), self._reader
        said = (rows.columns, reader.size, reader.colour, rows.classes)
        return digest_of_texts((rows.digest, *map(repr, said)))

    def names(self, start: int, stop: int) -> tuple[str, ...]:
        check_range(start, stop, len(self))
        rows = self._found.now()
        name = rows.columns.name or (rows.columns.x[0] if self._pictures else "")
        if not name:
            return numbered(start, stop)
        read = rows.read(start, stop)
        return tuple(rows.cell(row, name) or str(start + k) for k, row in enumerate(read))

    def read(self, start: int, stop: int) -> Batch:
        check_range(start, stop, len(self))
        rows = self._found.now()
        read = rows.read(start, stop)
        return gathered(
            start,
            stop,
            lambda number: self._example(rows, read[number - start], number),
            lambda number: self.names(number, number + 1)[0],
            self._form,
        )

    def _example(self, rows: Rows, row: list[str], number: int) -> Example:
        if len(row) != len(rows.header):
            raise InputError(f"the row has {len(row)} cells, and the header {len(rows.header)}")
        cells = [row[place] for place in rows.places]
        label = np.asarray(rows.labels[number])
        if self._pictures:
            return Example(self._reader.array(cells[0]), label)
        return Example(
            np.array([number_in(*pair) for pair in zip(cells, rows.columns.x, strict=True)]), label
        )


def is_numeric(text: str) -> bool:
    try:
        number_in(text, "")
    except InputError:
        return False
    return True


def number_in(text: str, column: str) -> float:
    """A cell's number; NaN where it is empty."""
    try:
        return float(text or "nan")
    except ValueError:
        raise InputError(f"its {column} is {shown(text)}, which is no number") from None
