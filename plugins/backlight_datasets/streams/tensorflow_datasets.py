"""Data sets of TensorFlow's, `tf.data`."""

import sys
from collections.abc import Mapping, Sequence
from typing import Any

from backlight.errors import InputError
from backlight_datasets.element_reader import ElementReader
from backlight_datasets.source import Source
from backlight_datasets.streams.stream import StreamSource

TOGETHER = 64
"""How many examples are taken at once."""


def tensorflow_source(data: Any, reader: ElementReader, classes: Sequence[str]) -> Source | None:
    """The source of a `tf.data.Dataset`; None for what is none.

    Raises:
        InputError: it repeats for ever, or it does not show whether it is of batches.
    """
    known: Any = sys.modules.get("tensorflow")
    if known is None or not isinstance(data, known.data.Dataset):
        return None
    length = int(data.cardinality())
    if length == known.data.INFINITE_CARDINALITY:
        raise InputError(
            "The tf.data.Dataset repeats for ever; give one that ends, dataset.take(n)."
        )
    batched = is_batched(data.element_spec)
    count = None if batched or length < 0 else length
    if not batched and all(shape.is_fully_defined() for shape in shapes_of(data.element_spec)):
        data, batched = data.batch(TOGETHER), True  # which gives them many times as fast
    # Not the iterator of the data set itself, which must be made anew for each pass.
    return StreamSource(data.as_numpy_iterator, count, batched, reader, classes)


def shapes_of(spec: Any) -> list[Any]:
    """The shapes of an element's parts."""
    parts = list(spec.values()) if isinstance(spec, Mapping) else spec
    return [part.shape for part in (parts if isinstance(parts, tuple | list) else [parts])]


def is_batched(spec: Any) -> bool:
    """Whether the reader are batches: their first axis has no fixed length, or labels have none.

    Raises:
        InputError: it cannot be told.
    """
    shapes = shapes_of(spec)
    if any(shape.rank == 0 for shape in shapes):
        return False
    if all(shape.rank and shape[0] is None for shape in shapes):
        return True
    raise InputError(
        f"ElementReader of shapes {', '.join(map(str, shapes))} may be examples or batches. Say which: "
        "StreamSource(dataset.as_numpy_iterator, batched=True)."
    )
