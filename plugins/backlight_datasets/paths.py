"""Files and folders as sources."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from backlight import Examples
from backlight.plugins.entry_points import plugins
from backlight_datasets.archive import NpzSource
from backlight_datasets.element_reader import ElementReader
from backlight_datasets.hugging_face import is_saved, saved
from backlight_datasets.objects import from_object, offered, refuse_unless_pictures, with_classes
from backlight_datasets.shards.tar import tar_source
from backlight_datasets.source import Source
from backlight_datasets.tables.delimited import delimited_source
from backlight_datasets.tables.json_lines import json_lines_source
from backlight_datasets.tables.parquet import parquet_source
from backlight_loading.examples import load_examples, refuse
from backlight_loading.references import is_there

READERS: Mapping[str, Callable[[Path, ElementReader, Sequence[str]], Source]] = {
    ".csv": delimited_source,
    ".tsv": delimited_source,
    ".jsonl": json_lines_source,
    ".parquet": parquet_source,
    ".tar": tar_source,
}

TAKEN = (
    "Give a folder of pictures, or of one sub-folder per class; an .npz, .csv, .tsv, .parquet or .tar "
    "file, or a folder of .parquet or .tar files; a folder that Hugging Face's save_to_disk wrote; or "
    "file.py:name or package.module:name of a data set."
)
"""What can be named, for messages."""


def from_path(
    text: str,
    reader: ElementReader,
    classes: Sequence[str],
    options: Sequence[str],
    labelled: bool,
) -> Source:
    """The source of a file or folder; see `open_source`."""
    path = Path(text)
    found = offered(path) if is_there(path) else None
    if found is not None:
        refuse(options, text)
        reader.columns.refuse(text)
        return with_classes(found, classes, text)
    form = form_of(path)
    if form == "saved":
        return from_object(saved(path), reader, classes, options, text)
    if form == "folder" and reader.texts:
        # Here and not above, as below.
        from backlight_datasets.text_folder import text_folder_source

        return text_folder_source(path, reader, classes)
    if form == "folder":
        reader.columns.refuse(text)
        # Here and not above: what reads no pictures needs no Pillow.
        from backlight_datasets.folder import FolderSource
        from backlight_loading.picture_folders import class_folders

        if labelled:
            class_folders(path)  # there must be some
        return FolderSource(path, reader.size, reader.colour, classes)
    if form == ".npz":
        refuse(options, text)
        reader.columns.refuse(text)
        return NpzSource(path, classes)
    if form in READERS:
        source = READERS[form](path, reader, classes)
        refuse_unless_pictures(source, options, text)
        return source
    size, colour = reader.size, reader.colour
    examples = load_examples(text, size, colour, tuple(classes), options=options, taken=TAKEN)
    return from_object(examples, reader, (), (), text)


def form_of(path: Path) -> str:
    """What a path is: the ending of a file, or of the files in a folder of shards; "saved" or "folder".

    "" for what is not there, or what a plugin loads as examples.
    """
    if not is_there(path) or is_loaded_by_plugin(path):
        return ""
    if not path.is_dir():
        return path.suffix
    if is_saved(path):
        return "saved"
    shards = next((one for one in (".parquet", ".tar") if any(path.glob(f"*{one}"))), "folder")
    return shards if not any(one.is_dir() for one in path.iterdir()) else "folder"


def is_loaded_by_plugin(path: Path) -> bool:
    return plugins().first("backlight_load_examples", Examples, path=path) is not None
