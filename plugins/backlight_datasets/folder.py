"""Pictures in class folders, read when they are asked for."""

from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Any, final

import numpy as np
from PIL import Image

from backlight.errors import InputError
from backlight_datasets.class_folders import Listing, listing
from backlight_datasets.digests import digest_of_texts
from backlight_datasets.source import Batch, Skipped, Source, check_range
from backlight_loading.picture_folders import (
    GREY_MODES,
    UNREADABLE,
    open_picture,
    read,
    several_sizes,
    upright_size,
    why,
)
from backlight_loading.preparation import Colour, Size


@final
class FolderSource(Source):
    """A folder that holds a sub-folder of pictures per class, whose names are the classes; or, without
    labels, one that holds pictures and no folder.

    What is no picture, or a broken one, is skipped by name. A copy in another process lists the folder
    again, and finds the same pictures under the same numbers or raises an error.
    """

    def __init__(
        self,
        folder: str | PathLike[str],
        size: Size | None = None,
        colour: Colour | None = None,
        classes: Sequence[str] = (),
    ) -> None:
        """
        Args:
            folder: it holds a sub-folder per class, or pictures.
            size: (height, width) that every picture is stretched to; None keeps the size they all have.
            colour: "grey" (one channel) or "rgb"; None reads grey if every picture is grey, else RGB,
                for which the headers are looked at up to the first one in colours.
            classes: all classes in the model's order, where the folder does not have all of them.

        Raises:
            InputError: no class folders and no files, no readable picture, or pictures of several sizes
                and no `size`; or a folder that is named after several of the classes.
            UnknownNameError: a folder that is named after none of them.
        """
        self._folder = Path(folder).absolute()
        self._said = tuple(classes)
        self._listing: Listing | None = listing(self._folder, self._said)
        self._digest = self._listing.digest()
        self._first, self._size, self._colour = survey(self._listing, size, colour)

    def __len__(self) -> int:
        return len(self._listed)

    @property
    def classes(self) -> tuple[str, ...]:
        return self._listed.classes

    @property
    def labelled(self) -> bool:
        return self._listed.labelled

    @property
    def left_out(self) -> tuple[str, ...]:
        return self._listed.left_out

    def fingerprint(self) -> str:
        """Of the classes, size and colours, and of each file: its name in the folder, its size in bytes,
        and its first and last 4096 bytes. When it was written does not count, so that a copy of the
        folder has the same one; what it does not see is an edit in the middle of a file that leaves
        its length."""
        return digest_of_texts((self._listed.fingerprint(), str(self._size), self._colour))

    def names(self, start: int, stop: int) -> tuple[str, ...]:
        check_range(start, stop, len(self))
        return tuple(map(self._listed.name, range(start, stop)))

    def read(self, start: int, stop: int) -> Batch:
        check_range(start, stop, len(self))
        files = self._listed
        mode, depth = ("L", 1) if self._colour == "grey" else ("RGB", 3)
        x = np.empty((stop - start, *self._size, depth), dtype=np.uint8)
        ids: list[int] = []
        skipped: list[Skipped] = []
        for number in range(start, stop):
            file = files.path(number)
            try:
                picture = read(file, self._size if self._first is None else None)
                if picture.mode != mode:
                    picture = picture.convert(mode)
            except UNREADABLE as error:
                skipped.append(Skipped(number, files.name(number), why(error, file)))
                continue
            if picture.size != self._size[::-1]:
                raise several_sizes(
                    self._first or "", self._size[::-1], files.name(number), picture.size
                )
            x[len(ids)] = np.asarray(picture).reshape(*self._size, depth)
            ids.append(number)
        labels = np.array([files.label(number) for number in ids], dtype=np.int64)
        return Batch(x[: len(ids)], labels, np.array(ids, dtype=np.int64), tuple(skipped))

    def own_size(self, number: int) -> Size:
        """Height and width of a picture in its file, before it is stretched."""
        return upright_size(self._listed.path(number))

    @property
    def _listed(self) -> Listing:
        if self._listing is None:
            found = listing(self._folder, self._said)
            if found.digest() != self._digest:
                raise InputError(
                    f"The files in {self._folder} are not those that it had when the run began, and "
                    "numbers no longer mean the same pictures. Put the files back, or begin again."
                )
            self._listing = found
        return self._listing

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_listing": None}


def survey(
    files: Listing, size: Size | None, colour: Colour | None
) -> tuple[str | None, Size, Colour]:
    """The name of the first readable picture, which gives the size where none is said, else None;
    the size (height, width) and the colours of all.

    The others' headers are looked at as far as they matter, and those in question are read.
    """
    first: Image.Image | None = None
    named, reasons = "", []
    for number in range(len(files)):
        if first is not None and size is not None and colour is not None:
            break
        file, name = files.path(number), files.name(number)
        try:
            if first is not None and is_like(first, file, size is None, colour is None):
                continue
            picture = read(file, None)
        except UNREADABLE as error:
            reasons.append(f"{name}: {why(error, file)}")
            continue
        if first is None:
            first, named = picture, name
        if size is None and picture.size != first.size:
            raise several_sizes(named, first.size, name, picture.size)
        if colour is None and picture.mode != "L":
            colour = "rgb"
    if first is None:
        seen = f"; the first of {len(reasons)} files: {reasons[0]}" if reasons else ""
        raise InputError(f"No picture could be read in the class folders of {files.folder}{seen}.")
    own = (first.height, first.width)
    return (None if size else named), size or own, colour or "grey"


def is_like(first: Image.Image, file: Path, in_size: bool, in_grey: bool) -> bool:
    """Whether a header says what the first picture has; it may lie turned by a quarter."""
    with open_picture(file) as opened:
        return (not in_size or sorted(opened.size) == sorted(first.size)) and (
            not in_grey or opened.mode in GREY_MODES
        )
