"""What data sets of other libraries call an example, as an example."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

import numpy as np
from numpy.typing import NDArray

from backlight.errors import InputError, reason, shown
from backlight_datasets.column_names import ColumnNames
from backlight_datasets.gathering import Example
from backlight_datasets.several_labels import separated
from backlight_loading.preparation import Colour, Size

if TYPE_CHECKING:
    from PIL.Image import Image


@final
@dataclass(frozen=True)
class ElementReader:
    """How an element becomes an example: a row of a table, `(x, label)`, a dict, or x alone.

    Attributes:
        columns: of tables, and of elements that are dicts.
        size: (height, width) that every picture is stretched to; None keeps its own.
        colour: "grey" (one channel) or "rgb"; None keeps a picture's own.
        folder: that names of files are relative to; None is that of the table, or the working directory.
        texts: whether examples are texts, and no text is the name of a file.
        words: whether rows of a table may hold words beside numbers: such rows are objects, (columns,).
        classes: names of the classes in their order, where labels may be such names.
    """

    columns: ColumnNames = ColumnNames()
    size: Size | None = None
    colour: Colour | None = None
    folder: Path | None = None
    texts: bool = False
    words: bool = False
    classes: tuple[str, ...] = ()

    def beside(self, folder: Path) -> "ElementReader":
        """With names of files relative to this folder, where none was said."""
        return replace(self, folder=(self.folder or folder).absolute())

    def example(self, element: object) -> Example:
        if isinstance(element, Mapping):
            columns = self.columns.among(list(element), self.texts)
            labels = [element[name] for name in columns.labels]
            label = labels if len(labels) > 1 else next(iter(labels), None)
            return Example(self.x([element[name] for name in columns.x]), self.label(label))
        if isinstance(element, tuple):
            if len(element) not in (1, 2):
                raise InputError(f"it is a tuple of {len(element)}; it must be (x, label), or (x,)")
            label = element[1] if len(element) == 2 else None
            return Example(self.array(element[0]), self.label(label))
        return Example(self.array(element))

    def x(self, values: list[object]) -> NDArray[Any]:
        """One value as it is, or several as the features of an example."""
        if self.words and any(value is None or isinstance(value, str) for value in values):
            cells = [np.nan if value is None else value for value in values]
            return np.array(cells, dtype=object)
        return self.array(values[0]) if len(values) == 1 else numbers(values)

    def label(self, label: object) -> NDArray[Any] | None:
        """What is true of an example; the number of a class that is told by its name, truth values of
        labels that are."""
        if isinstance(label, str) and self.columns.label_separator:
            label = separated(label, self.columns.label_separator)
        if isinstance(label, list | np.ndarray) and all(isinstance(one, str) for one in label):
            odd = [one for one in label if one not in self.classes]
            if odd or not self.classes:
                raise InputError(
                    f"its labels are {shown(label)}, of which some are the name of none of the classes"
                )
            return np.array([name in label for name in self.classes])
        if isinstance(label, str) and self.classes:
            if label not in self.classes:
                raise InputError(
                    f"its label {shown(str(label))} is the name of none of the classes"
                )
            return np.asarray(self.classes.index(label))
        return None if label is None else np.asarray(label)

    def array(self, value: object) -> NDArray[Any]:
        """An array of numbers, or a picture's: a picture of Pillow's, its file, or the file's bytes; or
        a text as an object, ()."""
        if self.texts:
            return text_in(value)
        if isinstance(value, Mapping) and value.keys() == {
            "bytes",
            "path",
        }:  # Hugging Face's pictures
            value = value["bytes"] or value["path"]
        if isinstance(value, bytes):
            return self.picture(BytesIO(value), "the picture")
        if isinstance(value, str):
            return self.picture((self.folder or Path()) / value, Path(value).name)
        pillow = sys.modules.get("PIL.Image")
        if pillow is not None and isinstance(value, pillow.Image):
            return self.picture(value, "the picture")
        return numbers(value)

    def picture(self, picture: "Path | BytesIO | Image", name: str) -> NDArray[np.uint8]:
        # Here and not above: what reads no pictures needs no Pillow.
        from backlight_datasets.pictures import pixels

        try:
            return pixels(picture, self.size, self.colour)
        except Exception as error:  # Pillow's readers raise errors of any kind
            # Without the folder, and without the address of an object, which differs from run to run.
            told = reason(error).replace(repr(picture), name).replace(str(picture), name)
            if isinstance(error, FileNotFoundError) and " " in name:
                told = f"there is no picture {shown(name)}; texts need a tokenizer, --tokenizer"
            raise InputError(told) from error


def text_in(value: object) -> NDArray[Any]:
    if not isinstance(value, str):
        raise InputError(f"it holds {shown(value)}, and no text")
    if not value.strip():
        raise InputError("its text is empty")
    return np.array(value, dtype=object)


def numbers(value: object) -> NDArray[Any]:
    found = np.asarray(value)
    if found.dtype.kind not in "biufc":
        raise InputError(f"it holds {found.dtype}, and no numbers")
    return found
