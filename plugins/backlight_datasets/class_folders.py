"""The pictures of class folders, or of one folder without classes, by their number."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from pathlib import Path
from typing import final

from backlight.values.examples import UNKNOWN
from backlight_datasets.digests import digest_of_texts, ends_of
from backlight_loading.picture_folders import (
    beside,
    class_folders,
    contents,
    folder_class,
    folder_names,
    is_class_folder,
)


@final
@dataclass(frozen=True)
class Listing:
    """Every file of the class folders in sorted order, about 70 bytes of memory each.

    Attributes:
        folder: it holds the class folders, or files without labels alone.
        classes: class names in the order of the labels.
        places: the class folders' own names; "" for files without labels.
        labels: of each class folder.
        files: the names of the files in each class folder.
        left_out: what is there but is no file of a class, with the reason.
    """

    folder: Path
    classes: tuple[str, ...]
    places: tuple[str, ...]
    labels: tuple[int, ...]
    files: tuple[tuple[str, ...], ...]
    left_out: tuple[str, ...]

    @cached_property
    def ends(self) -> tuple[int, ...]:
        """The number after the last file of each class folder."""
        return tuple(accumulate(map(len, self.files)))

    def __len__(self) -> int:
        return self.ends[-1]

    @property
    def labelled(self) -> bool:
        return UNKNOWN not in self.labels

    def place(self, number: int) -> tuple[int, str]:
        """The class folder's position, and the file's name in it."""
        k = bisect_right(self.ends, number)
        return k, self.files[k][number - self.ends[k]]

    def path(self, number: int) -> Path:
        k, name = self.place(number)
        return self.folder / self.places[k] / name

    def label(self, number: int) -> int:
        return self.labels[self.place(number)[0]]

    def name(self, number: int) -> str:
        k, name = self.place(number)
        return f"{self.places[k]}/{name}".lstrip("/")

    def digest(self) -> str:
        """Of the names alone."""
        names = (self.name(number) for number in range(len(self)))
        return digest_of_texts((*self.classes, *map(str, self.labels), *names))

    def fingerprint(self) -> str:
        """Of names, sizes, and the first and last bytes of each file."""
        return digest_of_texts(self.file_texts())

    def file_texts(self) -> Iterator[str]:
        yield self.digest()
        for number in range(len(self)):
            yield ends_of(self.path(number))


def listing(folder: Path, classes: Sequence[str]) -> Listing:
    """What is in the class folders now, or in a folder that has files and no folders.

    Raises:
        InputError, UnknownNameError: see `read_folder`.
    """
    files, left_out = contents(folder)
    if files and not any(map(is_class_folder, folder.iterdir())):
        alone = (tuple(files),)
        return Listing(folder, tuple(classes), ("",), (UNKNOWN,), alone, tuple(left_out))
    folders = class_folders(folder)
    names = tuple(classes) or folder_names(folders)
    found = [contents(entry) for entry in folders]
    return Listing(
        folder,
        names,
        tuple(entry.name for entry in folders),
        tuple(folder_class(entry, names) for entry in folders),
        tuple(tuple(files) for files, _ in found),
        (*beside(folder), *(text for _, left_out in found for text in left_out)),
    )
