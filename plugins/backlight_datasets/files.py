"""Examples in files, of which an index is made when they are opened."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol, final

from backlight.errors import InputError
from backlight.values.examples import Labels
from backlight_datasets.digests import digest_of_texts
from backlight_datasets.element_reader import ElementReader
from backlight_datasets.gathering import ReadOne, first_form, gathered
from backlight_datasets.source import Batch, Source, check_range


class Index(Protocol):
    """Where the examples lie in files, and what is known of them without reading them.

    Attributes:
        files: that were looked at.
        digest: of what they hold.
        labelled: whether there are labels.
        labels: of each example.
        classes: their names.
        features: names of a table's columns; none of anything else.
    """

    @property
    def files(self) -> Sequence[Path]: ...

    @property
    def digest(self) -> str: ...

    @property
    def labelled(self) -> bool: ...

    @property
    def labels(self) -> Labels: ...

    @property
    def classes(self) -> tuple[str, ...]: ...

    @property
    def features(self) -> tuple[str, ...]: ...

    def names(self, start: int, stop: int) -> tuple[str, ...]:
        """What the examples of a range are called."""

    def examples(self, start: int, stop: int, reader: ElementReader) -> ReadOne:
        """What gives each example of a range by its number."""


@final
class FilesSource(Source):
    """Examples in the files of an index, which is made again where one of them was written since, and in
    another process: a pickle ships the path and the digest alone.

    An example that cannot be read, or is unlike the first one that can, is skipped by name.
    """

    def __init__(self, place: Path, find: Callable[[], Index], reader: ElementReader) -> None:
        """
        Args:
            place: what the user named, for messages.
            find: makes the index; it can be pickled.
            reader: how what lies there becomes an example.

        Raises:
            InputError: there are no examples, or none can be read; or what `find` raises.
        """
        self._place, self._find, self._reader = place, find, reader
        self._index: Index | None = None
        index = self._looked_at()
        self._digest = index.digest
        self._form = first_form(len(index.labels), lambda k: index.examples(k, k + 1, reader)(k))

    def __len__(self) -> int:
        return len(self._now.labels)

    @property
    def classes(self) -> tuple[str, ...]:
        return self._now.classes

    @property
    def labelled(self) -> bool:
        return self._now.labelled

    @property
    def features(self) -> tuple[str, ...]:
        return self._now.features

    def fingerprint(self) -> str:
        """Of what the index says that the files hold, and of how it is read. Of pictures in files that a
        table names, their names count alone."""
        reader, index = self._reader, self._now
        said = (reader.columns, reader.size, reader.colour, index.classes)
        return digest_of_texts((index.digest, *map(repr, said)))

    def names(self, start: int, stop: int) -> tuple[str, ...]:
        check_range(start, stop, len(self))
        return self._now.names(start, stop)

    def read(self, start: int, stop: int) -> Batch:
        check_range(start, stop, len(self))
        index = self._now
        read = index.examples(start, stop, self._reader)
        return gathered(start, stop, read, lambda k: index.names(k, k + 1)[0], self._form)

    @property
    def _now(self) -> Index:
        """The index; InputError where the files hold other data than when they were opened."""
        index = self._index
        if index is None or stamps(index.files) != self._stamps:
            index = self._looked_at()
        if index.digest != self._digest:
            raise InputError(
                f"{self._place} holds other data than when it was opened. Put it back, or begin again."
            )
        return index

    def _looked_at(self) -> Index:
        self._index = index = self._find()
        self._stamps = stamps(index.files)
        return index

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_index": None}


def stamps(files: Sequence[Path]) -> list[tuple[int, int]]:
    """Sizes and times of writing; a file that is not there has (-1, 0)."""
    return [stamp(file) for file in files]


def stamp(file: Path) -> tuple[int, int]:
    try:
        seen = file.stat()
    except OSError:
        return -1, 0
    return seen.st_size, seen.st_mtime_ns
