"""Tables of JSON: an object on each line, as exports of texts are."""

import json
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from backlight.errors import InputError, reason
from backlight.values.examples import Labels
from backlight_datasets.column_names import ColumnNames
from backlight_datasets.element_reader import ElementReader
from backlight_datasets.files import FilesSource
from backlight_datasets.gathering import Example, ReadOne
from backlight_datasets.naming import Seen
from backlight_datasets.several_labels import RowLabels
from backlight_datasets.source import numbered, unlabelled
from backlight_datasets.tables.cells import refuse_words


def json_lines_source(
    path: Path, reader: ElementReader, classes: Sequence[str] = ()
) -> FilesSource:
    """A file of JSON lines (`.jsonl`) in UTF-8: an object for each example, whose keys are columns.

    The first object says which columns there are: of texts, of numbers, or of lists of these; where the
    reader takes words, rows that have some are objects. Lines that are no objects, and those without the
    columns of x, are skipped. The fingerprint is of every byte.

    Args:
        path: of the file.
        reader: which columns hold what.
        classes: all classes in the model's order, where the labels' own have another.

    Raises:
        InputError: it cannot be read or holds no examples, two have the same name, or the first one has
            words, which the reader does not take.
        UnknownNameError: a column that is not there.
    """
    place = path.absolute()
    made = partial(find, place, reader.columns, tuple(classes), reader.texts, reader.words)
    return FilesSource(place, made, reader.beside(place.parent))


@final
@dataclass(frozen=True, eq=False)
class Lines:
    """Where the objects lie.

    Attributes:
        files: the table's own.
        columns: what is meant by them.
        begins: where each line begins, int64.
        labels: of each.
        classes: their names.
        digest: of the file's bytes.
    """

    files: tuple[Path, ...]
    columns: ColumnNames
    begins: NDArray[np.int64]
    labels: Labels
    classes: tuple[str, ...]
    digest: str

    @property
    def labelled(self) -> bool:
        return bool(self.columns.label)

    @property
    def features(self) -> tuple[str, ...]:
        return self.columns.x if len(self.columns.x) > 1 else ()

    def read(self, number: int) -> dict[str, Any]:
        with self.files[0].open("rb") as file:
            file.seek(self.begins[number])
            return object_in(file.readline())

    def names(self, start: int, stop: int) -> tuple[str, ...]:
        name = self.columns.name
        if not name:
            return numbered(start, stop)
        return tuple(str(self.read(k).get(name, k)) for k in range(start, stop))

    def examples(self, start: int, stop: int, reader: ElementReader) -> ReadOne:
        del start, stop

        def example(number: int) -> Example:
            found = self.read(number)
            held = [name for name, value in found.items() if reader.words or value is not None]
            missing = [name for name in self.columns.x if name not in held]
            if missing:
                raise InputError(f"it has no {', '.join(missing)}")
            x = reader.x([found[name] for name in self.columns.x])
            # A 1 among 0.5s is written as a whole number.
            x = x.astype(np.float64) if x.dtype.kind in "iub" else x
            return Example(x, np.asarray(self.labels[number]))

        return example


def find(
    path: Path, columns: ColumnNames, classes: tuple[str, ...], texts: bool, words: bool
) -> Lines:
    """Go through a file once."""
    begins, digest, seen, at = array("q"), sha256(), Seen(), 0
    meant: ColumnNames | None = None
    labels = RowLabels(columns)
    try:
        with path.open("rb") as file:
            for line in file:
                digest.update(line)
                begin, at = at, at + len(line)
                if not line.strip():
                    continue
                begins.append(begin)
                found = tolerant(line)
                if meant is None and found:
                    meant = columns.among(list(found), texts)
                    labels = RowLabels(meant)
                    for _ in begins[:-1]:
                        labels.add([None] * len(meant.labels))
                    told = {name: [found[name]] for name in meant.x if isinstance(found[name], str)}
                    refuse_words(told if len(meant.x) > 1 and not words else {}, str(path))
                labels.add([found.get(name) for name in meant.labels] if meant else [])
                name = found.get(meant.name) if meant and meant.name else None
                seen.add(f"{len(begins)}\0" if name is None else str(name))
    except OSError as error:
        raise InputError(f"{path} could not be read: {reason(error)}.") from error
    if meant is None:
        raise InputError(f"{path} has no line that is a JSON object, such as {{...}}.")
    seen.check(str(path))
    known: tuple[Labels, tuple[str, ...]] = unlabelled(len(begins)), classes
    if meant.label:
        known = labels.labels(classes, str(path))
    return Lines((path,), meant, np.array(begins, dtype=np.int64), *known, digest.hexdigest())


def tolerant(line: bytes) -> dict[str, Any]:
    """The object of a line; nothing where it is none, which is said when it is asked for."""
    try:
        return object_in(line)
    except InputError:
        return {}


def object_in(line: bytes) -> dict[str, Any]:
    try:
        found = json.loads(line.decode("utf-8-sig"))
    except (UnicodeDecodeError, ValueError) as error:
        raise InputError(f"its line is no JSON: {reason(error)}") from error
    if not isinstance(found, dict):
        raise InputError("its line is no JSON object")
    return found
