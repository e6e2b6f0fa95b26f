"""Where the rows of a table of text lie."""

import csv
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import BinaryIO, final

import numpy as np
from numpy.typing import NDArray

from backlight.errors import InputError, reason, shown
from backlight.values.examples import Labels
from backlight_datasets.class_names import LabelColumn
from backlight_datasets.column_names import ColumnNames
from backlight_datasets.naming import Seen
from backlight_datasets.source import unlabelled

STRIDE = 64
"""Of every so many rows it is kept where they begin."""


@final
@dataclass(frozen=True, eq=False)
class Rows:
    """Where the rows of a table lie.

    Attributes:
        files: the table's own.
        header: the columns' names.
        columns: what is meant by them.
        places: of those for x, counted from 0.
        begins: where every 64th row begins in the file, int64.
        count: how many rows.
        labels: of each.
        classes: their names.
        digest: of the file's bytes.
    """

    files: tuple[Path, ...]
    header: tuple[str, ...]
    columns: ColumnNames
    places: tuple[int, ...]
    begins: NDArray[np.int64]
    count: int
    labels: Labels
    classes: tuple[str, ...]
    digest: str

    def read(self, start: int, stop: int) -> list[list[str]]:
        """The cells of some rows."""
        with self.files[0].open("rb") as file:
            file.seek(self.begins[start // STRIDE] if start < stop else 0)
            rows = (cells for _, cells in records(file, delimiter(self.files[0])))
            return list(islice(rows, start % STRIDE, start % STRIDE + stop - start))

    def cell(self, row: Sequence[str], name: str) -> str:
        """A row's cell of a column; an empty one where the row is too short."""
        at = self.header.index(name)
        return row[at] if at < len(row) else ""


def find(path: Path, columns: ColumnNames, classes: tuple[str, ...]) -> Rows:
    """Go through a table once."""
    begins, count, digest = array("q"), 0, sha256()
    labels, seen = LabelColumn(), Seen()
    try:
        with path.open("rb") as file:
            for chunk in iter(partial(file.read, 1 << 20), b""):
                digest.update(chunk)
            file.seek(0)
            rows = records(file, delimiter(path))
            begin, header = next(rows, (0, []))
            check_header(path, header)
            meant = columns.among(header)
            at = {name: k for k, name in enumerate(header)}
            for end, row in rows:
                if count % STRIDE == 0:
                    begins.append(begin)
                begin, count = end, count + 1
                sound = len(row) == len(header)
                if meant.label:
                    labels.add(row[at[meant.label]] if sound else "")
                if meant.name:
                    seen.add((row[at[meant.name]] if sound else "") or f"{count}\0")
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path} could not be read: {reason(error)}.") from error
    known: tuple[Labels, tuple[str, ...]] = unlabelled(count), classes
    if meant.label:
        known = labels.labels(classes, str(path))
    seen.check(str(path))
    return Rows(
        (path,),
        tuple(header),
        meant,
        tuple(at[name] for name in meant.x),
        np.array(begins, dtype=np.int64),
        count,
        *known,
        digest.hexdigest(),
    )


def check_header(path: Path, header: Sequence[str]) -> None:
    if not header:
        raise InputError(f"{path} is empty; it must begin with the names of its columns.")
    twice = [name for k, name in enumerate(header) if name in header[:k]]
    if twice:
        raise InputError(f"{path} has several columns that are called {shown(twice[0])}.")


def delimiter(path: Path) -> str:
    return "\t" if path.suffix == ".tsv" else ","


def records(file: BinaryIO, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """The rows from here on that are not empty, and where each one ends."""
    at = file.tell()

    def lines() -> Iterator[str]:
        nonlocal at
        for line in file:
            coding = "utf-8" if at else "utf-8-sig"
            at += len(line)
            yield line.decode(coding)

    for cells in csv.reader(lines(), delimiter=delimiter, strict=True):
        if cells:
            yield at, cells
