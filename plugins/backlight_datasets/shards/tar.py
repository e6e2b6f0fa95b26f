"""Examples in tar archives, read from where they lie."""

from collections.abc import Sequence
from functools import partial
from io import BytesIO
from os import PathLike
from pathlib import Path
from typing import final

import numpy as np

from backlight.errors import InputError
from backlight_datasets.digests import digest_of_texts
from backlight_datasets.element_reader import ElementReader
from backlight_datasets.found import Found
from backlight_datasets.gathering import Example, first_form, gathered
from backlight_datasets.shards.members import ARRAYS, Members, find
from backlight_datasets.source import Batch, Source, check_range


@final
class TarSource(Source):
    """A tar archive, or a folder of them, as WebDataset writes them: `0001.jpg` and `0001.cls` are one
    example.

    x is a picture or an array (`.npy`), the label a text (`.cls` or `.label`): a number or a class's
    name. Headers are gone through once, when it is opened, and no archive is unpacked; what has no x, or
    a broken one, is skipped by name. A pickle ships the path.
    """

    def __init__(
        self,
        path: str | PathLike[str],
        reader: ElementReader = ElementReader(),
        classes: Sequence[str] = (),
    ) -> None:
        """
        Args:
            path: of the archive, or of a folder of `.tar` files.
            reader: how pictures are read; its columns are the endings, without a dot, of x and of
                labels, where they are others.
            classes: all classes in the model's order, where the labels' own have another.

        Raises:
            InputError: an archive cannot be read, or has a member twice; or nothing can be read.
        """
        place = Path(path).absolute()
        self._found = Found(place, partial(find, place, reader.columns, tuple(classes)))
        self._reader = reader
        found = self._found.now()
        self._form = first_form(len(found.keys), lambda k: self._example(found, k))

    def __len__(self) -> int:
        return len(self._found.now().keys)

    @property
    def classes(self) -> tuple[str, ...]:
        return self._found.now().classes

    @property
    def labelled(self) -> bool:
        return self._found.now().labelled

    @property
    def left_out(self) -> tuple[str, ...]:
        return ()

    def fingerprint(self) -> str:
        """Of the names, sizes and labels of all members, and of each archive's name, size, and first and
        last 4096 bytes. An edit in the middle that leaves the lengths is not seen."""
        found, reader = self._found.now(), self._reader
        return digest_of_texts((found.digest, *map(repr, (reader, found.classes))))

    def names(self, start: int, stop: int) -> tuple[str, ...]:
        check_range(start, stop, len(self))
        return tuple(map(self._found.now().name, range(start, stop)))

    def read(self, start: int, stop: int) -> Batch:
        check_range(start, stop, len(self))
        found = self._found.now()
        return gathered(start, stop, lambda k: self._example(found, k), found.name, self._form)

    def _example(self, found: Members, number: int) -> Example:
        size = int(found.size[number])
        if size < 0:
            raise InputError(
                "it has no picture and no .npy; say which ending is x: ColumnNames(x=(...,))"
            )
        with found.files[found.shard[number]].open("rb", buffering=0) as file:
            file.seek(int(found.begin[number]))
            data = file.read(size)
        if len(data) != size:
            raise InputError("the archive ends before it")
        array = found.endings[number] == ARRAYS
        x = np.load(BytesIO(data), allow_pickle=False) if array else data
        return Example(self._reader.array(x), np.asarray(found.labels[number]))
