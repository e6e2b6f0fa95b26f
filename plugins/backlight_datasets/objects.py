"""Objects as sources: those of this library, of other libraries, and of plugins."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from backlight import Examples
from backlight.errors import InputError
from backlight.plugins.entry_points import plugins
from backlight_datasets.element_reader import ElementReader
from backlight_datasets.hugging_face import hugging_face_source
from backlight_datasets.items import Items, ItemsSource
from backlight_datasets.sequence import SequenceSource
from backlight_datasets.source import Source
from backlight_datasets.streams.stream import StreamSource
from backlight_datasets.streams.tensorflow_datasets import tensorflow_source
from backlight_datasets.streams.torch_loaders import torch_source
from backlight_loading.examples import refuse, renamed


def from_object(
    data: object, reader: ElementReader, classes: Sequence[str], options: Sequence[str], text: str
) -> Source:
    """The source of an object; see `open_source`."""
    if isinstance(data, Examples):
        refuse(options, text)
        reader.columns.refuse(text)
        known = renamed(data, tuple(classes), text)
        return SequenceSource(
            known.x,
            known.labels,
            known.classes,
            known.names,
            known.skipped,
            known.kind,
            known.features,
        )
    if isinstance(data, np.ndarray):
        data = data, None
    if isinstance(data, tuple) and len(data) == 2 and isinstance(data[0], np.ndarray):
        refuse(options, text)
        reader.columns.refuse(text)
        return SequenceSource(*data, classes)
    found = data if isinstance(data, Source) else offered(data)
    if found is not None:
        refuse(options, text)
        reader.columns.refuse(text)
        return with_classes(found, classes, text)
    found = from_library(data, reader, classes)
    if found is not None:
        refuse_unless_pictures(found, options, text)
        return found
    refuse(options, text)
    raise InputError(
        f"{text[0].upper()}{text[1:]} is a {kind(data)}; it must be backlight.Examples, a "
        "backlight_datasets.Source, an array, (x, labels), a data set of PyTorch's, TensorFlow's or "
        "Hugging Face's, a sequence of (x, label), of dicts or of x, or a function without required "
        "arguments that returns one."
    )


def from_library(data: object, reader: ElementReader, classes: Sequence[str]) -> Source | None:
    """The source of another library's data set, or of a thing that can be used like one."""
    for source_of in (torch_source, tensorflow_source, hugging_face_source):
        source = source_of(data, reader, classes)
        if source is not None:
            return source
    if isinstance(data, Mapping | tuple):
        return None
    if isinstance(data, Items):
        return ItemsSource(data, reader, classes)
    if isinstance(data, Iterable) or callable(data):
        return StreamSource(data, reader=reader, classes=classes)
    return None


def refuse_unless_pictures(source: Source, options: Sequence[str], text: str) -> None:
    """Raise InputError for options that would do nothing."""
    if source.read(0, 0).x.ndim != 4:
        refuse(options, text)


def offered(data: object) -> Source | None:
    """The source that an installed plugin makes of an object, or of a path."""
    opened: type[Source] = Source  # type: ignore[type-abstract]
    return plugins().first("backlight_open_source", opened, data=data)


def with_classes(found: Source, classes: Sequence[str], text: str) -> Source:
    """A source as it is; InputError where it was asked for other classes than its own."""
    if classes and tuple(classes) != found.classes:
        raise InputError(
            f"{text} has classes of its own, {', '.join(found.classes[:5]) or 'without names'}; make "
            "it with the class names in the model's order."
        )
    return found


def kind(data: object) -> str:
    return f"{type(data).__module__}.{type(data).__qualname__}"
