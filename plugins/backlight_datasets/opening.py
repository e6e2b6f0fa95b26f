"""The source that a user names: files, an object of another library, or a thing in code."""

from collections.abc import Iterator, Sequence
from os import PathLike, fspath

from backlight import Examples
from backlight.errors import InputError
from backlight_datasets.column_names import ColumnNames
from backlight_datasets.element_reader import ElementReader
from backlight_datasets.objects import from_object, kind
from backlight_datasets.paths import from_path
from backlight_datasets.source import Source
from backlight_loading.preparation import Colour, Size
from backlight_loading.references import is_reference, load_reference, made


def open_source(
    data: object,
    size: Size | None = None,
    colour: Colour | None = None,
    classes: Sequence[str] = (),
    options: Sequence[str] = (),
    columns: ColumnNames = ColumnNames(),
    labelled: bool = True,
    texts: bool = False,
    words: bool = False,
) -> Source:
    """Examples to be read a range at a time.

    Args:
        data: a path: a folder of class folders, of pictures, of `.parquet` or `.tar` files, or one
            that Hugging Face's `save_to_disk` wrote; an `.npz`, `.csv`, `.tsv`, `.jsonl`, `.parquet` or
            `.tar` file; or what an installed plugin reads. A reference `file.py:name` to an object, or to
            a function that makes one. Or an object: a source, examples, an array, a pair of an array and
            labels, a data set or loader of PyTorch's, a `tf.data.Dataset`, a data set of Hugging Face's,
            or a list or other sequence of `(x, label)`, of dicts, or of x alone.
        size, colour: of pictures; see `FolderSource`.
        classes: class names in the model's order, where the data's own have another.
        options: those that the user gave and that only pictures can follow.
        columns: which columns of tables, or entries of examples that are dicts, hold what.
        labelled: whether there must be labels.
        texts: whether examples are texts: a column of a table, or `.txt` files in class folders.
        words: whether the columns of a table may hold words, as where an encoder makes numbers of them.

    Raises:
        InputError: nothing is there, it holds no examples, or no labels where there must be some; or an
            option does not apply to it.
        PluginError: it takes a package that is not installed.
        UnknownNameError: a column that is not there.
    """
    reader = ElementReader(columns, size, colour, None, texts, words, tuple(classes))
    if isinstance(data, str | PathLike):
        text = fspath(data)
        if is_reference(text):
            source = from_object(of_reference(text), reader, classes, options, text)
        else:
            source = from_path(text, reader, tuple(classes), options, labelled)
    else:
        text = "the examples" if isinstance(data, Source | Examples) else f"the {kind(data)}"
        source = from_object(data, reader, classes, options, text)
    if labelled and not source.labelled:
        raise InputError(
            f"There are no labels in {text}, and they are needed here: put the pictures (or texts) of "
            "each class into a sub-folder that has the class's name, or give y (or labels), or name "
            "their column, --label COLUMN."
        )
    return source


def of_reference(text: str) -> object:
    """What a reference names, or what the function that it names makes."""
    named = load_reference(text)
    found = made(named, text)
    # A generator is read once; the function that makes it can be called for each pass.
    return named if isinstance(found, Iterator) else found
