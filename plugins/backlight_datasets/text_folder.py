"""Texts in class folders: one `.txt` file each."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import final

import numpy as np
from numpy.typing import NDArray

from backlight_datasets.class_folders import Listing, listing
from backlight_datasets.element_reader import ElementReader
from backlight_datasets.files import FilesSource
from backlight_datasets.gathering import Example, ReadOne


def text_folder_source(
    folder: Path, reader: ElementReader, classes: Sequence[str] = ()
) -> FilesSource:
    """A folder that holds a sub-folder of `.txt` files in UTF-8 per class, whose names are the classes.

    Files that are no such texts, or empty, are skipped by name. The fingerprint is of each file's name,
    size, and first and last 4096 bytes.

    Args:
        folder: it holds a sub-folder per class.
        reader: of texts.
        classes: all classes in the model's order, where the folder does not have all of them.

    Raises:
        InputError: no class folders, or no text can be read.
        UnknownNameError: a folder that is named after none of the classes.
    """
    place = folder.absolute()
    return FilesSource(place, partial(find, place, tuple(classes)), reader)


@final
@dataclass(frozen=True, eq=False)
class TextFiles:
    """The texts of class folders.

    Attributes:
        listing: of the folders.
        features: none: a text has no columns.
    """

    listing: Listing
    features: tuple[str, ...] = ()

    @property
    def files(self) -> tuple[Path, ...]:
        """The class folders: they change where a file comes or goes."""
        return tuple(self.listing.folder / place for place in self.listing.places)

    @cached_property
    def digest(self) -> str:
        return self.listing.fingerprint()

    @property
    def labelled(self) -> bool:
        return self.listing.labelled

    @cached_property
    def labels(self) -> NDArray[np.int64]:
        return np.array([self.listing.label(k) for k in range(len(self.listing))], dtype=np.int64)

    @property
    def classes(self) -> tuple[str, ...]:
        return self.listing.classes

    def names(self, start: int, stop: int) -> tuple[str, ...]:
        return tuple(self.listing.name(number) for number in range(start, stop))

    def examples(self, start: int, stop: int, reader: ElementReader) -> ReadOne:
        del start, stop

        def example(number: int) -> Example:
            text = self.listing.path(number).read_text(encoding="utf-8-sig").strip()
            return Example(reader.array(text), np.asarray(self.labels[number]))

        return example


def find(folder: Path, classes: tuple[str, ...]) -> TextFiles:
    return TextFiles(listing(folder, classes))
