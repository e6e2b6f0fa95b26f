"""A site of the model as a space: what each example is there, written down block by block."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from backlight import Model
from backlight.progress import Progress
from backlight.values.layout import Layout, input_layout, site_layout
from backlight.values.tree import leaves
from backlight_datasets import BlockStore, Source, read_blocks
from backlight_loading.preparation import ModelInput, PreparedInput
from backlight_study.neighbours import Features, Neighbour, nearest_of

FEATURES = "features"
"""The column of the store."""


@final
@dataclass(frozen=True)
class SiteSpace:
    """Where examples are near or far.

    Attributes:
        site: of the model.
        store: what each example is there, (features,).
        ids: the numbers of those examples that could be read, rising, (N,).
    """

    site: str
    store: BlockStore
    ids: NDArray[np.int64]

    def nearest(
        self, rows: NDArray[np.int64], right: NDArray[np.bool_]
    ) -> list[tuple[Neighbour, ...]]:
        """See `nearest_of`."""
        features = np.concatenate(
            [self._row(int(row)) for row in rows] or [np.empty((0, 1), np.float32)]
        )
        return nearest_of(self._blocks(), (rows, features), right)

    def _row(self, row: int) -> NDArray[Any]:
        return self.store.read_row(int(self.ids[row]))[FEATURES][None]

    def _blocks(self) -> Iterator[Features]:
        for number in range(self.store.plan.blocks):
            block = self.store.read(number)
            if len(block.ids):
                yield np.searchsorted(self.ids, block.ids), block.arrays[FEATURES]


def write_features(
    model: Model,
    source: Source,
    prepared: PreparedInput,
    site: str,
    pooled: Callable[[NDArray[Any]], NDArray[np.float32]],
    store: BlockStore,
    progress: Progress,
) -> None:
    """Ask the model what each example is at a site, for the blocks that the store lacks."""
    skipped = {one.id: one for one in store.skipped()}
    count, done = len(source), 0
    for block, batch in read_blocks(
        source, store.plan.block_length, store.missing(), before=skipped.values()
    ):
        progress("Looking inside", done, count)
        done += len(batch.ids) + len(batch.skipped)
        arrays = {}
        if len(batch.ids):
            inputs = model.prepare(prepared(batch.x))  # type: ignore[arg-type]
            arrays[FEATURES] = pooled(model.to_numpy(model.array_at(inputs, site)))
        store.write(block, batch.ids, arrays, batch.skipped)
    progress("Looking inside", count, count)


def pooling(
    model: Model, x: ModelInput, site: str
) -> Callable[[NDArray[Any]], NDArray[np.float32]]:
    """What makes features of an activation, (n, ...) to (n, features): the mean over places, where it has
    any, so that a channel is a feature; else all its numbers.

    Args:
        x: one example as the model takes it.

    Raises:
        BacklightError: the model has no such site; with the nearest names.
    """
    inputs = model.prepare(x)  # type: ignore[arg-type]
    shape = model.to_numpy(model.array_at(inputs, site)).shape
    given = leaves(x)[0].shape
    grid = input_layout(given, model.channels, model.declared_channels)
    layout = None if grid is None else site_layout(shape, grid.grid, model.channels, given[0])

    def pooled(activation: NDArray[Any]) -> NDArray[np.float32]:
        wide = activation.astype(np.float32)
        return mean_over_places(wide, layout).reshape(len(wide), -1)

    return pooled


def mean_over_places(values: NDArray[np.float32], layout: Layout | None) -> NDArray[np.float32]:
    if layout is None or layout.channel_axis is None:
        return values
    if layout.tokens:
        values = values[:, layout.prefix :]
    axes = tuple(k for k in range(1, values.ndim) if k != layout.channel_axis)
    return np.asarray(values.mean(axis=axes))
