"""Where the rows of Parquet files lie."""

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any, final

from backlight.errors import InputError, reason
from backlight.values.examples import Labels
from backlight_datasets.column_names import ColumnNames
from backlight_datasets.digests import digest_of_texts, ends_of
from backlight_datasets.naming import Seen
from backlight_datasets.source import unlabelled
from backlight_datasets.tables.arrow import labels_in, pyarrow

ROWS = 1024
"""How many rows are taken from a row group at a time."""


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
@dataclass(frozen=True, eq=False)
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

    def parts(self, start: int, stop: int) -> Iterator[tuple[RowGroup, int, int]]:
        """Each row group that has some of these rows, and which of its own rows they are."""
        while start < stop:
            place = bisect_right(self.ends, start)
            begin = self.ends[place - 1] if place else 0
            end = min(stop, self.ends[place])
            yield self.groups[place], start - begin, end - begin
            start = end


def find(path: Path, columns: ColumnNames, classes: tuple[str, ...]) -> RowGroups:
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
        meant = columns.among(schema.names)
        if not groups:
            raise InputError("it has no rows")
        known: tuple[Labels, tuple[str, ...]] = (
            unlabelled(sum(group.count for group in groups)),
            classes,
        )
        if meant.label:
            parts = (piece.column(0) for one in groups for piece in one.pieces([meant.label]))
            known = labels_in(parts, schema.field(meant.label).type, classes, str(path))
        seen = Seen(names_in(groups, meant.name or ""))
    except (OSError, ValueError) as error:
        raise InputError(f"{path} could not be read: {reason(error)}.") from error
    seen.check(str(path))
    ends = tuple(accumulate(group.count for group in groups))
    texts = (f"{file.name} {ends_of(file)}" for file in files)
    return RowGroups(files, meant, groups, ends, *known, digest_of_texts(texts))


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


def names_in(groups: tuple[RowGroup, ...], column: str) -> Iterator[str]:
    for group in groups if column else ():
        for piece in group.pieces([column]):
            yield from map(str, piece.column(0).to_pylist())
