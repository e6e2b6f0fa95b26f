"""Parquet files, read a row group at a time."""

from collections.abc import Sequence
from functools import partial
from os import PathLike
from pathlib import Path
from typing import Any, final

import numpy as np

from backlight.errors import InputError, reason
from backlight_datasets.digests import digest_of_texts
from backlight_datasets.element_reader import ElementReader
from backlight_datasets.found import Found
from backlight_datasets.gathering import Example, ReadOne, first_form, gathered
from backlight_datasets.read_on import ReadOn
from backlight_datasets.source import Batch, Source, check_range, numbered
from backlight_datasets.tables.arrow import rows_of
from backlight_datasets.tables.row_groups import RowGroup, RowGroups, find


@final
class ParquetSource(Source):
    """A Parquet file, or a folder of them with the same columns.

    ColumnNames of numbers are features, an empty one NaN: float32 if all are float32 or float16, else
    float64. One column may hold lists of numbers, pictures' bytes, or names of their files. Rows that
    cannot be read are skipped, and with a damaged row group all its rows. A pickle ships the path.
    """

    def __init__(
        self,
        path: str | PathLike[str],
        reader: ElementReader = ElementReader(),
        classes: Sequence[str] = (),
    ) -> None:
        """
        Args:
            path: of the file, or the folder.
            reader: which columns hold what, and how pictures are read; these lie beside the table
                unless another folder is said.
            classes: all classes in the model's order, where the labels' own have another.

        Raises:
            PluginError: pyarrow is not installed.
            InputError: it cannot be read or holds no examples, or two have the same name.
            UnknownNameError: a column that is not there.
        """
        place = Path(path).absolute()
        self._found = Found(place, partial(find, place, reader.columns, tuple(classes)))
        self._reader = reader.beside(place if place.is_dir() else place.parent)
        self._reading: tuple[RowGroup, ReadOn[Any]] | None = None
        self._form = first_form(len(self), lambda k: self._examples(k, k + 1)(k))

    def __len__(self) -> int:
        return len(self._found.now().labels)

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
        """Of each file's name, size, and first and last 4096 bytes, where Parquet keeps the statistics of
        its columns. An edit in the middle that leaves the length and these is not seen, and pictures in
        other files count with their names alone."""
        found, reader = self._found.now(), self._reader
        said = (found.columns, reader.size, reader.colour, found.classes)
        return digest_of_texts((found.digest, *map(repr, said)))

    def names(self, start: int, stop: int) -> tuple[str, ...]:
        check_range(start, stop, len(self))
        found = self._found.now()
        name = found.columns.name
        if not name:
            return numbered(start, stop)
        names: list[str] = []
        for group, first, last in found.parts(start, stop):
            for piece in ReadOn(partial(group.pieces, [name])).rows(first, last):
                names += map(str, piece.column(0).to_pylist())
        return tuple(names)

    def read(self, start: int, stop: int) -> Batch:
        check_range(start, stop, len(self))
        read = self._examples(start, stop)
        return gathered(start, stop, read, lambda k: self.names(k, k + 1)[0], self._form)

    def _examples(self, start: int, stop: int) -> ReadOne:
        found = self._found.now()
        rows: list[Any] = []
        for group, first, last in found.parts(start, stop):
            try:
                rows += self._rows(found, group, first, last)
            except (InputError, ValueError, OSError) as error:
                self._reading = None
                rows += [InputError(f"{group} could not be read: {reason(error)}")] * (last - first)

        def example(number: int) -> Example:
            row = rows[number - start]
            if isinstance(row, InputError):
                raise row
            return Example(self._reader.array(row), np.asarray(found.labels[number]))

        return example

    def _rows(self, found: RowGroups, group: RowGroup, first: int, last: int) -> list[Any]:
        """What x is made from, of some rows of a row group."""
        if self._reading is None or self._reading[0] != group:
            self._reading = group, ReadOn(partial(group.pieces, list(found.columns.x)))
        pieces = self._reading[1].rows(first, last)
        rows = [row for piece in pieces for row in rows_of(piece, found.columns.x)]
        if len(rows) != last - first:
            raise InputError(f"it ends after {len(rows)} of {last - first} rows")
        return rows

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_reading": None}
