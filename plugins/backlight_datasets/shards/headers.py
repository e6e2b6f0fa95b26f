"""What the headers of tar archives say of examples."""

import tarfile
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, final

from backlight.errors import InputError, reason
from backlight_datasets.column_names import ColumnNames

ARRAYS = "npy"
PICTURES = ("jpg", "jpeg", "png", "webp", "bmp", "ppm", "pgm", "tif", "tiff", "gif")
LABELS = ("cls", "label")


@final
class Headers:
    """Examples of archives as they are found."""

    def __init__(self, columns: ColumnNames) -> None:
        self._x = columns.x or (*PICTURES, ARRAYS)
        self._label = LABELS if columns.label is None else columns.labels
        if len(columns.labels) > 1 or columns.label_separator:
            raise InputError("An example of an archive has one label, a member's text.")
        self.shard, self.begin, self.size = array("q"), array("q"), array("q")
        self.endings: list[str] = []
        self.keys: list[str] = []
        self.texts: list[str] = []
        self.labelled = False

    def add(self, shard: int, file: Path) -> None:
        """Go through the headers of an archive.

        Raises:
            InputError: it has a member twice.
        """
        places: dict[str, int] = {}
        seen: dict[str, int] = {}
        for member, text in members_of(file, self._label):
            folder, slash, name = member.name.rpartition("/")
            stem, _, ending = name.partition(".")
            key = folder + slash + stem
            if member.name in seen:
                raise InputError(
                    f"{file} has {member.name} twice, at bytes {seen[member.name]} and {member.offset}; "
                    "each example needs a name of its own."
                )
            seen[member.name] = member.offset
            at = places.setdefault(key, len(self.keys))
            if at == len(self.keys):
                self.keys.append(key)
                self.texts.append("")
                self.endings.append("")
                for column, value in ((self.shard, shard), (self.begin, 0), (self.size, -1)):
                    column.append(value)
            if ending.lower() in self._x and self.size[at] < 0:
                self.begin[at], self.size[at] = member.offset_data, member.size
                self.endings[at] = ending.lower()
            if text is not None:
                self.texts[at], self.labelled = text, True


def members_of(file: Path, read: tuple[str, ...]) -> Iterator[tuple[tarfile.TarInfo, str | None]]:
    """The files in an archive, and the texts of those with one of these endings.

    Raises:
        InputError: it is no archive, damaged or compressed.
    """
    try:
        with tarfile.open(file, "r:") as archive, file.open("rb") as opened:
            for member in archive:
                vars(archive)["members"] = []  # which would be kept, about a kilobyte each
                if not member.isfile():
                    continue
                text = None
                if member.name.rpartition("/")[2].partition(".")[2].lower() in read:
                    opened.seek(member.offset_data)
                    text = opened.read(member.size).decode()
                yield member, text
            check_end(opened, archive.offset)
    except (tarfile.TarError, OSError, UnicodeDecodeError) as error:
        advice = " Compressed archives must be unpacked: gunzip." if is_packed(file) else ""
        raise InputError(f"{file} could not be read: {reason(error)}.{advice}") from error


def check_end(file: BinaryIO, at: int) -> None:
    """Raise ReadError where an archive has no mark of its end after its last header: Python's reader
    takes whatever is there for the end."""
    file.seek(at)
    block = file.read(tarfile.BLOCKSIZE)
    if not block:
        raise tarfile.ReadError("it is cut off: the mark of its end is missing")
    if block.strip(b"\0"):
        raise tarfile.ReadError(f"the header at byte {at} is damaged")


def is_packed(file: Path) -> bool:
    return file.suffix in (".gz", ".tgz", ".bz2", ".xz", ".zst")
