"""What else is known of the examples: columns beside them, from code or a CSV file."""

import csv
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from backlight.errors import InputError, UnknownNameError

Columns: TypeAlias = Mapping[str, NDArray[Any]]
"""Columns (N,) of numbers or texts, by name."""

MetadataGiven: TypeAlias = Mapping[str, Sequence[Any] | NDArray[Any]] | str | os.PathLike[str]

NAMES = ("name", "file", "id")
"""What the column is called, in any case, that names the examples; else it is the first one."""


def columns_of(given: MetadataGiven | None, names: Sequence[str]) -> Columns:
    """The columns of all candidates of a source, in their order.

    Args:
        given: columns as long as the source, or the path of a CSV file with a header, whose rows name
            examples, by whole name or by the last part of its path.
        names: of the candidates.

    Raises:
        InputError: the file cannot be read, a column has another length, or a row names no example, or
            several.
    """
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        return read_columns(Path(given), names)
    found = {name: np.asarray(column) for name, column in given.items()}
    for name, column in found.items():
        if column.shape != (len(names),):
            raise InputError(
                f"The metadata {name!r} must have a value for each of {len(names)} examples, got shape "
                f"{column.shape}."
            )
    return found


def read_columns(path: Path, names: Sequence[str]) -> Columns:
    """See `columns_of`; examples that no row names have no text, and NaN for a number."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            header, rows = list(reader.fieldnames or ()), list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"The metadata in {path} could not be read: {error}.") from error
    if len(header) < 2:
        raise InputError(
            f"{path} must have a header with a column that names the examples and at least one more; it "
            f"has {', '.join(header) or 'none'}."
        )
    key = next((one for one in header if one.strip().lower() in NAMES), header[0])
    places = placed(names)
    texts = {name: [""] * len(names) for name in header if name != key}
    for number, row in enumerate(rows, start=2):
        said = (row[key] or "").strip()
        at = places.get(said, places.get(said.rpartition("/")[2]))
        if at is None:
            told = "no example" if said not in places else "more than one example"
            raise InputError(f"Line {number} of {path} names {told}: {said!r}.")
        for name, column in texts.items():
            column[at] = (row[name] or "").strip()
    return {name: typed(column) for name, column in texts.items()}


def placed(names: Sequence[str]) -> dict[str, int | None]:
    """Where each name is, whole or its last part; None for what several have."""
    found: dict[str, int | None] = {}
    for place, name in enumerate(names):
        for said in {name, name.rpartition("/")[2]}:
            found[said] = None if said in found else place
    return found | {name: place for place, name in enumerate(names)}


def typed(texts: Sequence[str]) -> NDArray[Any]:
    """Numbers, where all that is said is numbers; NaN where nothing is said."""
    try:
        return np.array([float(text) if text else np.nan for text in texts])
    except ValueError:
        return np.array(texts)


def fitting(columns: Columns, where: Sequence[str]) -> NDArray[np.bool_] | None:
    """Which candidates fit conditions `column=value`: those of one column are joined, those of several
    hold together. None without conditions.

    Raises:
        InputError: it is no condition, or no example fits it.
        UnknownNameError: no such column.
    """
    asked: dict[str, list[str]] = {}
    for condition in where:
        name, sign, value = condition.partition("=")
        if not sign:
            raise InputError(f"A condition is written COLUMN=VALUE, got {condition!r}.")
        if name not in columns:
            raise UnknownNameError("column of the metadata", name, list(columns))
        asked.setdefault(name, []).append(value)
    if not asked:
        return None
    fits = np.ones(len(next(iter(columns.values()))), dtype=bool)
    for name, values in asked.items():
        column = columns[name]
        wanted = [float(one) for one in values] if column.dtype.kind == "f" else values
        one = np.isin(column, wanted)
        if not one.any():
            raise InputError(
                f"No example has {' or '.join(f'{name}={value}' for value in values)}."
            )
        fits &= one
    return fits
