"""Data sets of Hugging Face's `datasets`: in memory, or saved in a folder."""

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from backlight.errors import InputError, reason
from backlight.plugins.extras import extra
from backlight_datasets.element_reader import ElementReader
from backlight_datasets.items import ItemsSource
from backlight_datasets.several_labels import separated
from backlight_datasets.source import Source
from backlight_datasets.streams.stream import StreamSource


def hugging_face_source(data: Any, reader: ElementReader, classes: Sequence[str]) -> Source | None:
    """The source of a Dataset or IterableDataset; None for what is neither.

    Raises:
        InputError: it has several splits, or classes of other names.
        UnknownNameError: a column that is not there.
    """
    known: Any = sys.modules.get("datasets")
    if known is None or not hasattr(known, "IterableDatasetDict"):
        return None
    if isinstance(data, known.DatasetDict | known.IterableDatasetDict):
        raise InputError(
            f"The data has splits, {', '.join(data)}; give one: data[{next(iter(data))!r}]."
        )
    if not isinstance(data, known.Dataset | known.IterableDataset):
        return None
    features = data.features or {}
    meant = reader.columns.among(list(features), reader.texts) if features else reader.columns
    label = meant.labels[0] if len(meant.labels) == 1 else ""
    own = tuple(getattr(features.get(label), "names", None) or ())
    if own and classes and own != tuple(classes):
        raise InputError(
            f"The column {label} has classes of its own, {', '.join(own[:5])}; it was asked for "
            f"{', '.join(classes[:5])}. Name them as the data does, in its order."
        )
    if isinstance(data, known.IterableDataset):
        return StreamSource(data, None, False, reader, own or classes)
    if len(meant.labels) > 1:
        own = meant.labels
    elif not own and not classes and is_text(getattr(features.get(label), "feature", None)):
        own = tuple(sorted({name for labels in data[label] for name in labels or ()}))
    elif not own and not classes and is_text(features.get(label)):
        lists = (
            separated(one, meant.label_separator) or [one] for one in data.unique(label) if one
        )
        own = tuple(sorted({str(name) for names in lists for name in names}))
    reader = replace(reader, classes=own or tuple(classes))
    names = tuple(map(str, data[meant.name])) if meant.name else ()
    pictures = any(isinstance(features[name], known.Image) for name in meant.x)
    if data.format["type"] is None and not pictures and not reader.texts:
        data = data.with_format("numpy")  # lists would lose their dtype
    return ItemsSource(data, reader, own or classes, names, meant.x if len(meant.x) > 1 else ())


def is_text(feature: object) -> bool:
    return getattr(feature, "dtype", None) in ("string", "large_string")


def is_saved(path: Path) -> bool:
    """Whether a folder is one that `save_to_disk` wrote."""
    return any((path / name).is_file() for name in ("state.json", "dataset_dict.json"))


def saved(path: Path) -> object:
    """The data set that `save_to_disk` wrote into a folder.

    Raises:
        PluginError: `datasets` is not installed.
        InputError: it cannot be read.
    """
    datasets = extra("datasets", "hugging-face", f"{path} needs Hugging Face's datasets")
    try:
        found: object = datasets.load_from_disk(str(path))
    except Exception as error:  # its readers raise errors of any kind
        raise InputError(f"{path} could not be read: {reason(error)}.") from error
    return found
