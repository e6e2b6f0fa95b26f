"""Some of the candidates of a source, as a source."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from backlight.errors import InputError
from backlight.values.examples import Labels
from backlight_datasets.derived import Derived
from backlight_datasets.digests import digest_of_texts
from backlight_datasets.source import Batch, Skipped, Source, check_range


@final
class Subset(Derived):
    """Candidates of another source, numbered anew from 0 in the order in which they are given."""

    def __init__(self, source: Source, rows: Sequence[int] | NDArray[np.integer[Any]]) -> None:
        """
        Args:
            source: they are read from it.
            rows: their numbers there.

        Raises:
            InputError: there is no such candidate, or one is given twice.
        """
        super().__init__(source)
        self._rows = np.array(rows, dtype=np.int64)
        beyond = self._rows[(self._rows < 0) | (self._rows >= len(source))]
        if len(beyond) or self._rows.ndim != 1 or len(np.unique(self._rows)) != len(self._rows):
            seen = f"there is no number {beyond[0]}" if len(beyond) else "one is given twice"
            raise InputError(
                f"A subset names different candidates by numbers from 0 to {len(source) - 1}; {seen}."
            )

    @property
    def rows(self) -> NDArray[np.int64]:
        """The numbers of the candidates in the source that they come from."""
        return self._rows

    def __len__(self) -> int:
        return len(self._rows)

    def fingerprint(self) -> str:
        return digest_of_texts((self._source.fingerprint(), *map(str, self._rows)))

    def names(self, start: int, stop: int) -> tuple[str, ...]:
        check_range(start, stop, len(self))
        rows = self._rows[start:stop].tolist()
        return tuple(self._source.names(row, row + 1)[0] for row in rows)

    def read(self, start: int, stop: int) -> Batch:
        check_range(start, stop, len(self))
        rows = self._rows[start:stop]
        breaks = np.flatnonzero(np.diff(rows) != 1) + 1
        edges = [0, *breaks.tolist(), len(rows)] if len(rows) else [0, 0]
        x: list[NDArray[Any]] = []
        labels: list[Labels] = []
        ids: list[NDArray[np.int64]] = []
        skipped: list[Skipped] = []
        for begin, end in pairwise(edges):
            first = int(rows[begin]) if len(rows) else 0
            shift = start + begin - first
            batch = self._source.read(first, first + end - begin)
            if len(batch.ids) or not x:
                x.append(batch.x)
            labels.append(batch.labels)
            ids.append(batch.ids + shift)
            skipped += [Skipped(one.id + shift, one.name, one.reason) for one in batch.skipped]
        return Batch(
            np.concatenate([one for one in x if len(one)] or x[:1]),
            np.concatenate(labels),
            np.concatenate(ids),
            tuple(skipped),
        )
