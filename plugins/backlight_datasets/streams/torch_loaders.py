"""Data sets and loaders of PyTorch's."""

import sys
from collections.abc import Sequence
from typing import Any

from backlight.errors import InputError
from backlight_datasets.element_reader import ElementReader
from backlight_datasets.items import ItemsSource
from backlight_datasets.source import Source
from backlight_datasets.streams.stream import StreamSource


def torch_source(data: Any, reader: ElementReader, classes: Sequence[str]) -> Source | None:
    """The source of a `torch.utils.data` Dataset or DataLoader; None for what is neither.

    Of a loader that only collates what its map-style data set gives, the data set is read, in which every
    example has its number; any other is a stream of batches.

    Raises:
        InputError: a loader that shuffles.
    """
    known: Any = sys.modules.get("torch.utils.data")
    if known is None:
        return None
    if isinstance(data, known.DataLoader):
        if isinstance(data.dataset, known.IterableDataset):
            return StreamSource(data, None, data.batch_size is not None, reader, classes)
        if not isinstance(data.sampler, known.SequentialSampler):
            raise InputError(
                f"The DataLoader takes examples in an order of its own ({type(data.sampler).__name__}): "
                "numbers would mean others at each pass. Give its data set: loader.dataset."
            )
        if data.collate_fn is known.default_collate and not data.drop_last:
            return ItemsSource(data.dataset, reader, classes)
        return StreamSource(data, None, data.batch_sampler is not None, reader, classes)
    if isinstance(data, known.IterableDataset):
        return StreamSource(data, None, False, reader, classes)
    return ItemsSource(data, reader, classes) if isinstance(data, known.Dataset) else None
