"""The header and the rows of a table of text."""

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from backlight.errors import InputError, shown
from backlight_datasets.class_names import is_number


def check_header(path: Path, header: Sequence[str]) -> None:
    if not header:
        raise InputError(f"{path} is empty; it must begin with the names of its columns.")
    if all(map(is_number, header)):
        raise InputError(
            f"{path} begins with numbers, {shown(header[0])} and so on: it must begin with the names of "
            "its columns."
        )
    twice = [name for k, name in enumerate(header) if name in header[:k]]
    if twice:
        raise InputError(f"{path} has several columns that are called {shown(twice[0])}.")


def delimiter(path: Path, header: bytes) -> str:
    """What is between cells: of the signs that may be, the one that the header has most often."""
    if path.suffix == ".tsv":
        return "\t"
    return max(",;\t", key=lambda sign: header.count(sign.encode()))


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
