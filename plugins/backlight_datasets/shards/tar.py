"""Tar archives, whose examples are read from where they lie."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import final

import numpy as np
from numpy.typing import NDArray

from backlight.errors import InputError
from backlight.values.examples import Labels
from backlight_datasets.class_names import LabelColumn
from backlight_datasets.column_names import ColumnNames
from backlight_datasets.digests import digest_of_texts, ends_of
from backlight_datasets.element_reader import ElementReader
from backlight_datasets.files import FilesSource
from backlight_datasets.gathering import Example, ReadOne
from backlight_datasets.shards.headers import ARRAYS, Headers
from backlight_datasets.source import unlabelled


def tar_source(path: Path, reader: ElementReader, classes: Sequence[str] = ()) -> FilesSource:
    """A tar archive, or a folder of them, as WebDataset writes them: `0001.jpg` and `0001.cls` are one
    example.

    x is a picture or an array (`.npy`), the label a text (`.cls` or `.label`): a number or a class's
    name. Headers are gone through once, and no archive is unpacked. The fingerprint is of the names,
    sizes and labels of all members, and of each archive's name, size, and first and last 4096 bytes: an
    edit in the middle that leaves the lengths is not seen.

    Args:
        path: of the archive, or of a folder of `.tar` files.
        reader: how pictures are read; its columns are the endings, without a dot, of x and of labels,
            where they are others.
        classes: all classes in the model's order, where the labels' own have another.

    Raises:
        InputError: an archive cannot be read, or has a member twice; or nothing can be read.
    """
    place = path.absolute()
    return FilesSource(place, partial(find, place, reader.columns, tuple(classes)), reader)


@final
@dataclass(frozen=True, eq=False)
class Members:
    """The examples of archives by their number.

    Attributes:
        files: the archives in sorted order.
        shard, begin, size: of each example's x: its archive, and where it lies there, int64; a size of -1
            where it has none.
        endings: of each example's x.
        keys: what the members of an example are called but for their endings.
        labelled: whether there are members for labels.
        labels: of each.
        classes: their names.
        digest: of names, sizes and labels, and of the archives' sizes and ends.
        features: none: these are no tables.
    """

    files: tuple[Path, ...]
    shard: NDArray[np.int64]
    begin: NDArray[np.int64]
    size: NDArray[np.int64]
    endings: tuple[str, ...]
    keys: tuple[str, ...]
    labelled: bool
    labels: Labels
    classes: tuple[str, ...]
    digest: str
    features: tuple[str, ...] = ()

    def names(self, start: int, stop: int) -> tuple[str, ...]:
        if len(self.files) == 1:
            return self.keys[start:stop]
        shards = (self.files[shard].name for shard in self.shard[start:stop])
        return tuple(map("/".join, zip(shards, self.keys[start:stop], strict=True)))

    def examples(self, start: int, stop: int, reader: ElementReader) -> ReadOne:
        def example(number: int) -> Example:
            size = int(self.size[number])
            if size < 0:
                raise InputError(
                    "it has no picture and no .npy; say which ending is x: ColumnNames(x=(...,))"
                )
            with self.files[self.shard[number]].open("rb", buffering=0) as file:
                file.seek(int(self.begin[number]))
                data = file.read(size)
            if len(data) != size:
                raise InputError("the archive ends before it")
            array = self.endings[number] == ARRAYS
            x = np.load(BytesIO(data), allow_pickle=False) if array else data
            return Example(reader.array(x), np.asarray(self.labels[number]))

        return example


def find(path: Path, columns: ColumnNames, classes: tuple[str, ...]) -> Members:
    """Go through the headers of an archive, or of all in a folder."""
    files = tuple(sorted(path.glob("*.tar"))) if path.is_dir() else (path,)
    found = Headers(columns)
    for shard, file in enumerate(files):
        found.add(shard, file)
    if not found.keys:
        raise InputError(f"{path} holds no files.")
    known: tuple[Labels, tuple[str, ...]] = unlabelled(len(found.keys)), classes
    if found.labelled:
        labels = LabelColumn()
        for text in found.texts:
            labels.add(text)
        known = labels.labels(classes, str(path))
    shards, begins, sizes = (
        np.array(one, dtype=np.int64) for one in (found.shard, found.begin, found.size)
    )
    rows = zip(found.keys, found.endings, found.size, found.texts, strict=True)
    texts = (*(f"{file.name} {ends_of(file)}" for file in files), *map(repr, rows))
    return Members(
        files,
        shards,
        begins,
        sizes,
        tuple(found.endings),
        tuple(found.keys),
        found.labelled,
        *known,
        digest_of_texts(texts),
    )
