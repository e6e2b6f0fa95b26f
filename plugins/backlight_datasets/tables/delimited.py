"""Tables of text: CSV files, and those with tabs."""

import csv
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from backlight.errors import InputError, reason, shown
from backlight.values.examples import Labels
from backlight_datasets.class_names import is_number
from backlight_datasets.column_names import ColumnNames
from backlight_datasets.element_reader import ElementReader
from backlight_datasets.files import FilesSource
from backlight_datasets.gathering import Example, ReadOne
from backlight_datasets.naming import Seen
from backlight_datasets.several_labels import RowLabels
from backlight_datasets.source import numbered, unlabelled
from backlight_datasets.tables.cells import ColumnCells, refuse_decimal_commas, refuse_words
from backlight_datasets.tables.lines import check_header, delimiter, records

STRIDE = 64
"""Of every so many rows it is kept where they begin."""


def delimited_source(path: Path, reader: ElementReader, classes: Sequence[str] = ()) -> FilesSource:
    """A CSV file, or one with tabs (`.tsv`), in UTF-8: a header, then a row for each example. Between
    cells are commas, semicolons or tabs: the sign that the header has most often.

    Its columns are features, float64, an empty one NaN; or one names a picture's file, or holds texts.
    Where the reader takes words, rows that have some are objects: whole numbers, numbers, truth values or
    words, by what the whole column holds. Rows with another number of cells and features that are no
    numbers are skipped. The fingerprint is of every byte.

    Args:
        path: of the file.
        reader: which columns hold what, and how pictures are read; these lie beside the table unless
            another folder is said.
        classes: all classes in the model's order, where the labels' own have another.

    Raises:
        InputError: it cannot be read or holds no examples, or two have the same name; most cells of a
            column are words, which the reader does not take; or numbers have decimal commas.
        UnknownNameError: a column that is not there.
    """
    place = path.absolute()
    made = partial(find, place, reader.columns, tuple(classes), reader.texts, reader.words)
    return FilesSource(place, made, reader.beside(place.parent))


@final
@dataclass(frozen=True, eq=False)
class Rows:
    """Where the rows of a table lie.

    Attributes:
        files: the table's own.
        header: the columns' names.
        columns: what is meant by them.
        delimiter: what is between cells.
        begins: where every 64th row begins in the file, int64.
        labels: of each row.
        classes: their names.
        digest: of the file's bytes.
        texts: whether x is a column of texts.
        cells: what the columns of x hold, where they may be words.
    """

    files: tuple[Path, ...]
    header: tuple[str, ...]
    columns: ColumnNames
    delimiter: str
    begins: NDArray[np.int64]
    labels: Labels
    classes: tuple[str, ...]
    digest: str
    texts: bool
    cells: tuple[ColumnCells, ...]

    @property
    def labelled(self) -> bool:
        return bool(self.columns.label)

    @property
    def features(self) -> tuple[str, ...]:
        return () if self.texts or self.pictures else self.columns.x

    @cached_property
    def pictures(self) -> bool:
        """Whether x is the one column in which the first row has no number, and no text."""
        (row,) = self.read(0, 1)
        return (
            not self.texts
            and len(self.columns.x) == 1
            and not is_number(self.cell(row, self.columns.x[0]))
        )

    def read(self, start: int, stop: int) -> list[list[str]]:
        """The cells of some rows."""
        with self.files[0].open("rb") as file:
            file.seek(self.begins[start // STRIDE] if start < stop else 0)
            rows = (cells for _, cells in records(file, self.delimiter))
            return list(islice(rows, start % STRIDE, start % STRIDE + stop - start))

    def cell(self, row: Sequence[str], name: str) -> str:
        """A row's cell of a column; an empty one where the row is too short."""
        at = self.header.index(name)
        return row[at] if at < len(row) else ""

    def names(self, start: int, stop: int) -> tuple[str, ...]:
        name = self.columns.name or (self.columns.x[0] if self.pictures else "")
        if not name:
            return numbered(start, stop)
        rows = self.read(start, stop)
        return tuple(self.cell(row, name) or str(start + k) for k, row in enumerate(rows))

    def examples(self, start: int, stop: int, reader: ElementReader) -> ReadOne:
        rows = self.read(start, stop)
        places = [self.header.index(name) for name in self.columns.x]

        def example(number: int) -> Example:
            row = rows[number - start]
            if len(row) != len(self.header):
                raise InputError(f"the row has {len(row)} cells, and the header {len(self.header)}")
            return Example(
                self.x([row[at] for at in places], reader), np.asarray(self.labels[number])
            )

        return example

    def x(self, row: Sequence[str], reader: ElementReader) -> NDArray[Any]:
        """An example, from its cells."""
        if self.cells:
            cells = zip(self.cells, row, strict=True)
            return np.array([column.cell(text) for column, text in cells], dtype=object)
        if self.pictures or self.texts:
            return reader.array(row[0])
        return np.array([number_in(*one) for one in zip(row, self.columns.x, strict=True)])


def find(
    path: Path, columns: ColumnNames, classes: tuple[str, ...], texts: bool, words: bool
) -> Rows:
    """Go through a table once."""
    begins, count, digest = array("q"), 0, sha256()
    seen = Seen()
    try:
        with path.open("rb") as file:
            for chunk in iter(partial(file.read, 1 << 20), b""):
                digest.update(chunk)
            file.seek(0)
            apart = delimiter(path, file.readline())
            file.seek(0)
            rows = records(file, apart)
            begin, header = next(rows, (0, []))
            check_header(path, header)
            meant = columns.among(header, texts)
            at = {name: k for k, name in enumerate(header)}
            # One column alone may hold texts, or names of pictures.
            several = meant.x if len(meant.x) > 1 or words else ()
            held = {name: ColumnCells() for name in several}
            labels, told = RowLabels(meant), {name: ColumnCells() for name in meant.labels}
            for end, row in rows:
                if count % STRIDE == 0:
                    begins.append(begin)
                begin, count = end, count + 1
                sound = len(row) == len(header)
                cells = {name: row[at[name]] if sound else "" for name in meant.labels}
                labels.add([*cells.values()])
                for name, cell in cells.items():
                    told[name].add(cell)
                for name, column in held.items() if sound else ():
                    column.add(row[at[name]])
                if meant.name:
                    seen.add((row[at[meant.name]] if sound else "") or f"{count}\0")
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path} is not in UTF-8: {reason(error)}. Save it as UTF-8, which spreadsheets call "
            "'CSV UTF-8'."
        ) from error
    except (OSError, csv.Error) as error:
        raise InputError(f"{path} could not be read: {reason(error)}.") from error
    if not count:
        raise InputError(f"{path} has a header and no rows.")
    refuse_decimal_commas({**held, **told}, str(path))
    of_words = {name: one.words for name, one in held.items() if one.of_words}
    if not words:
        refuse_words(of_words, str(path))
    known: tuple[Labels, tuple[str, ...]] = unlabelled(count), classes
    if meant.label:
        known = labels.labels(classes, str(path))
    seen.check(str(path))
    mixed = words and not all(one.of_numbers for one in held.values())
    return Rows(
        (path,),
        tuple(header),
        meant,
        apart,
        np.array(begins, dtype=np.int64),
        *known,
        digest.hexdigest(),
        texts,
        tuple(held.values()) if mixed else (),
    )


def number_in(text: str, column: str) -> float:
    """A cell's number; NaN where it is empty."""
    try:
        return float(text or "nan")
    except ValueError:
        raise InputError(
            f"its {column} is {shown(text)}, which is no number; words need an encoder, --encoder"
        ) from None
