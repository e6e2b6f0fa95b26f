"""Data sets that need not fit into memory, and stores that a killed run goes on with.

source = open_source("photos/", size=(224, 224))
plan = Plan(len(source), 64, data=source.fingerprint(), model=digest_of_arrays(weights), ...)
store = BlockStore.begin("attributions", plan)
for block, batch in read_blocks(source, plan.block_length, store.missing(), before=store.skipped()):
    store.write(block, batch.ids, {"values": ..., "score": ...}, batch.skipped)
"""

from backlight_datasets.archive import NpzSource
from backlight_datasets.block_file import Block
from backlight_datasets.column_names import ColumnNames
from backlight_datasets.digests import digest_of_arrays
from backlight_datasets.element_reader import ElementReader
from backlight_datasets.errors import StoreError
from backlight_datasets.files import FilesSource
from backlight_datasets.items import ItemsSource
from backlight_datasets.opening import open_source
from backlight_datasets.plan import Plan, versions
from backlight_datasets.reading import read_blocks
from backlight_datasets.sequence import SequenceSource
from backlight_datasets.source import Batch, Skipped, Source
from backlight_datasets.store import BlockStore, Column
from backlight_datasets.streams.stream import StreamSource
from backlight_datasets.subset import Subset

__all__ = [
    "Batch",
    "Block",
    "BlockStore",
    "Column",
    "ColumnNames",
    "ElementReader",
    "FilesSource",
    "ItemsSource",
    "NpzSource",
    "Plan",
    "SequenceSource",
    "Skipped",
    "Source",
    "StoreError",
    "StreamSource",
    "Subset",
    "digest_of_arrays",
    "open_source",
    "read_blocks",
    "versions",
]
