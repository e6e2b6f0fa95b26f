"""Parquet files, read a row group at a time."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import accumulate
from pathlib import Path
from typing import Any, final

import numpy as np

from backlight.errors import InputError, reason
from backlight.values.examples import Labels
from backlight_datasets.column_names import ColumnNames
from backlight_datasets.digests import digest_of_texts, ends_of
from backlight_datasets.element_reader import ElementReader
from backlight_datasets.files import FilesSource
from backlight_datasets.gathering import Example, ReadOne
from backlight_datasets.naming import Seen
from backlight_datasets.read_on import ReadOn
from backlight_datasets.several_labels import combined
from backlight_datasets.source import numbered, unlabelled
from backlight_datasets.tables.arrow import is_number, labels_in, pyarrow, rows_of
from backlight_datasets.tables.cells import FEW, refuse_words

ROWS = 1024
"""How many rows are taken from a row group at a time."""


def parquet_source(path: Path, reader: ElementReader, classes: Sequence[str] = ()) -> FilesSource:
    """A Parquet file, or a folder of them with the same columns.

    Columns of numbers are features, an empty one NaN: float32 if all are float32 or float16, else
    float64; where the reader takes words, rows that have some are objects. One column may hold lists of
    numbers, texts, pictures' bytes, or names of their files. Of a damaged row group all rows are skipped.
    The fingerprint is of each file's name, size, and first and last 4096 bytes, where Parquet keeps the
    statistics of its columns: an edit that leaves these is not seen.

    Args:
        path: of the file, or the folder.
        reader: which columns hold what, and how pictures are read; these lie beside the table unless
            another folder is said.
        classes: all classes in the model's order, where the labels' own have another.

    Raises:
        PluginError: pyarrow is not installed.
        InputError: it cannot be read or holds no examples, or two have the same name.
        UnknownNameError: a column that is not there.
    """
    place = path.absolute()
    made = partial(find, place, reader.columns, tuple(classes), reader.texts, reader.words)
    return FilesSource(place, made, reader.beside(place if place.is_dir() else place.parent))


@final
@dataclass(frozen=True)
class RowGroup:
    """Rows that a file holds together.

    Attributes:
        file: it is in.
        number: in the file.
        count: of its rows.
    """

    file: Path
    number: int
    count: int

    def __str__(self) -> str:
        return f"row group {self.number} of {self.file.name}"

    def pieces(self, columns: list[str]) -> Iterator[Any]:
        """Its rows, some at a time."""
        with pyarrow().parquet.ParquetFile(self.file) as opened:
            yield from opened.iter_batches(ROWS, row_groups=[self.number], columns=columns)


@final
@dataclass(eq=False)
class RowGroups:
    """All row groups of files.

    Attributes:
        files: in sorted order.
        columns: what is meant by them.
        groups: in order.
        ends: the number after the last row of each.
        labels: of each row.
        classes: their names.
        digest: of the files' names, ends and sizes.
    """

    files: tuple[Path, ...]
    columns: ColumnNames
    groups: tuple[RowGroup, ...]
    ends: tuple[int, ...]
    labels: Labels
    classes: tuple[str, ...]
    digest: str

    _reading: tuple[RowGroup, ReadOn[Any]] | None = field(default=None, init=False)

    @property
    def labelled(self) -> bool:
        return bool(self.columns.label)

    @property
    def features(self) -> tuple[str, ...]:
        return self.columns.x if len(self.columns.x) > 1 else ()

    def parts(self, start: int, stop: int) -> Iterator[tuple[RowGroup, int, int]]:
        """Each row group that has some of these rows, and which of its own rows they are."""
        while start < stop:
            place = bisect_right(self.ends, start)
            begin = self.ends[place - 1] if place else 0
            end = min(stop, self.ends[place])
            yield self.groups[place], start - begin, end - begin
            start = end

    def names(self, start: int, stop: int) -> tuple[str, ...]:
        name = self.columns.name
        if not name:
            return numbered(start, stop)
        names: list[str] = []
        for group, first, last in self.parts(start, stop):
            for piece in ReadOn(partial(group.pieces, [name])).rows(first, last):
                names += map(str, piece.column(0).to_pylist())
        return tuple(names)

    def examples(self, start: int, stop: int, reader: ElementReader) -> ReadOne:
        rows: list[Any] = []
        for group, first, last in self.parts(start, stop):
            try:
                rows += self._rows(group, first, last)
            except (InputError, ValueError, OSError) as error:
                self._reading = None
                rows += [InputError(f"{group} could not be read: {reason(error)}")] * (last - first)

        def example(number: int) -> Example:
            row = rows[number - start]
            if isinstance(row, InputError):
                raise row
            x = reader.x(row) if self.features and isinstance(row, list) else reader.array(row)
            return Example(x, np.asarray(self.labels[number]))

        return example

    def _rows(self, group: RowGroup, first: int, last: int) -> list[Any]:
        """What x is made from, of some rows of a row group."""
        if self._reading is None or self._reading[0] != group:
            self._reading = group, ReadOn(partial(group.pieces, list(self.columns.x)))
        pieces = self._reading[1].rows(first, last)
        rows = [row for piece in pieces for row in rows_of(piece, self.columns.x)]
        if len(rows) != last - first:
            raise InputError(f"it ends after {len(rows)} of {last - first} rows")
        return rows


def find(
    path: Path, columns: ColumnNames, classes: tuple[str, ...], texts: bool, words: bool
) -> RowGroups:
    """Look at the ends of the files, and at the labels and names in them.

    Raises:
        InputError: a file cannot be read, has other columns than the first, or there are no rows; or two
            rows have the same name.
    """
    pyarrow()  # which may be missing
    files = tuple(sorted(path.glob("*.parquet"))) if path.is_dir() else (path,)
    try:
        groups = tuple(group for file in files for group in groups_in(file))
        schema = one_schema(files)
        meant = columns.among(schema.names, texts)
        if not groups:
            raise InputError("it has no rows")
        odd = [name for name in meant.x if not is_number(schema.field(name).type)]
        words_told = first_words(groups[0], odd if len(meant.x) > 1 and not words else [])
        known: tuple[Labels, tuple[str, ...]] = (
            unlabelled(sum(group.count for group in groups)),
            classes,
        )
        if meant.labels:
            columns_of_labels = {
                name: labels_in(
                    (piece.column(0) for one in groups for piece in one.pieces([name])),
                    schema.field(name).type,
                    meant.label_separator,
                    str(path),
                )
                for name in meant.labels
            }
            known = combined(columns_of_labels, classes, str(path))
        seen = Seen(names_in(groups, meant.name or ""))
    except (OSError, ValueError) as error:
        raise InputError(f"{path} could not be read: {reason(error)}.") from error
    refuse_words(words_told, str(path))
    seen.check(str(path))
    ends = tuple(accumulate(group.count for group in groups))
    told = (f"{file.name} {ends_of(file)}" for file in files)
    return RowGroups(files, meant, groups, ends, *known, digest_of_texts(told))


def groups_in(file: Path) -> Iterator[RowGroup]:
    with pyarrow().parquet.ParquetFile(file) as opened:
        for number in range(opened.metadata.num_row_groups):
            if count := opened.metadata.row_group(number).num_rows:
                yield RowGroup(file, number, count)


def one_schema(files: tuple[Path, ...]) -> Any:
    """The columns that the files have in common; InputError where some have others."""
    first, *others = (pyarrow().parquet.read_schema(file) for file in files)
    for file, other in zip(files[1:], others, strict=True):
        if not other.equals(first):
            raise InputError(
                f"{file.name} has columns {', '.join(map(str, other))}, and {files[0].name} "
                f"{', '.join(map(str, first))}"
            )
    return first


def first_words(group: RowGroup, columns: list[str]) -> dict[str, list[str]]:
    """What columns hold in the first rows, as texts."""
    if not columns:
        return {}
    piece = next(group.pieces(columns))
    return {name: [*map(str, piece.column(name).unique().to_pylist()[:FEW])] for name in columns}


def names_in(groups: tuple[RowGroup, ...], column: str) -> Iterator[str]:
    for group in groups if column else ():
        for piece in group.pieces([column]):
            yield from map(str, piece.column(0).to_pylist())
