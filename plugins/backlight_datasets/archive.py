"""Examples in an `.npz` file, read from it a range at a time."""

from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any, final
from zipfile import ZipFile

import numpy as np
from numpy.typing import NDArray

from backlight.attribution.saving import NOT_OURS
from backlight.errors import InputError, reason
from backlight.values.examples import labels_of
from backlight_datasets.class_names import in_classes
from backlight_datasets.digests import digest_of_texts
from backlight_datasets.members import Member, members_of, read_whole, stored_rows
from backlight_datasets.sequence import check_counts
from backlight_datasets.source import (
    Batch,
    Source,
    check_range,
    ids_between,
    numbered,
    unlabelled,
)
from backlight_loading.examples import class_names, x_and_y


@final
class NpzSource(Source):
    """Arrays `x` (or `images`) of an archive, with `y` (or `labels`) if it has labels, and `classes` if
    these have names.

    Of `x` the rows that are asked for are read, from where they lie in the file. Where it is deflated
    (`numpy.savez_compressed`) they are read from the beginning on: ranges in order cost one pass over
    the file, others one pass each.
    """

    def __init__(self, path: str | PathLike[str], classes: Sequence[str] = ()) -> None:
        """
        Args:
            path: of the archive.
            classes: all classes in the model's order, where the archive's own have another.

        Raises:
            InputError: it is no such archive; see `renamed` for the classes.
        """
        self._path = Path(path).absolute()
        members = members_of(self._path)
        x, y = x_and_y(members, self._path, labelled=False)
        if y:
            check_counts(members[x].shape[0], members[y].shape[0])
        small = {name: members[name] for name in (y, "classes") if name in members}
        arrays = read_whole(self._path, small)
        stored = class_names(arrays.get("classes", np.array((), dtype=str)), self._path)
        labels = labels_of(arrays[y], f" in {path}") if y else unlabelled(members[x].shape[0])
        self._labels, self._classes = in_classes(labels, stored, classes, str(path))
        self._names = (x, y)
        self._content = self._content_of(members)
        self._x = members[x]
        self._written: tuple[int, int] | None = None
        self._inflating: Inflating | None = None
        self._whole: NDArray[Any] | None = None

    def __len__(self) -> int:
        return len(self._labels)

    @property
    def classes(self) -> tuple[str, ...]:
        return self._classes

    @property
    def labelled(self) -> bool:
        return bool(self._names[1])

    def fingerprint(self) -> str:
        """Of the classes, and of the lengths and checksums (CRC-32) of `x` and `y` that the archive has:
        deflated or not, it is the same."""
        return digest_of_texts((*self._content, *self._classes))

    def names(self, start: int, stop: int) -> tuple[str, ...]:
        check_range(start, stop, len(self))
        return numbered(start, stop)

    def read(self, start: int, stop: int) -> Batch:
        check_range(start, stop, len(self))
        try:
            self._look_again()
            x = self._rows(start, stop)
        except (InputError, *NOT_OURS) as error:
            self._inflating = None
            raise InputError(f"{self._path} could not be read: {reason(error)}.") from error
        return Batch(x, self._labels[start:stop], ids_between(start, stop))

    def _rows(self, start: int, stop: int) -> NDArray[Any]:
        if not self._x.rows_first:  # every row is spread over the whole file
            if self._whole is None:
                self._whole = read_whole(self._path, {"x": self._x})["x"]
            return np.array(self._whole[start:stop])
        if self._x.place is not None:
            with self._path.open("rb", buffering=0) as file:
                return stored_rows(file, self._x, start, stop)
        if self._inflating is None:
            self._inflating = Inflating(self._path, self._x)
        return self._inflating.rows(start, stop)

    def _look_again(self) -> None:
        """See that the file holds what it did, if it was written since, or is a copy elsewhere."""
        found = self._path.stat()
        now = found.st_size, found.st_mtime_ns
        if now != self._written:
            members = members_of(self._path)
            if self._content_of(members) != self._content:
                raise InputError("it holds other arrays than when it was opened")
            self._x, self._written = members[self._names[0]], now
            self._inflating = self._whole = None

    def _content_of(self, members: Mapping[str, Member]) -> list[str]:
        """What the archive says of the bytes of its examples and labels."""
        found = [members.get(name) for name in self._names]
        return [f"{one.size} {one.checksum}" for one in found if one is not None]

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_written": None, "_inflating": None, "_whole": None}


@final
class Inflating:
    """A deflated member that is read on from where it was read last."""

    def __init__(self, path: Path, member: Member) -> None:
        self._member = member
        self._archive = ZipFile(path)
        self._stream = self._archive.open(member.name)

    def rows(self, start: int, stop: int) -> NDArray[Any]:
        member = self._member
        self._stream.seek(member.begin + start * member.row_bytes)
        data = bytearray(self._stream.read((stop - start) * member.row_bytes))
        return member.shaped(data, stop - start)
