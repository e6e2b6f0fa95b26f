"""The rows of a table that an encoder takes."""

from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from backlight.errors import InputError, reason, shown
from backlight_datasets import Batch, Skipped, Source
from backlight_datasets.derived import Derived
from backlight_loading.encoders import Encoder, columns_of, encoded, flat
from backlight_loading.known_values import known_values, told

LOOKED = 1000
"""How many rows are tried in search of one that the encoder takes."""


def column_names(source: Source, rows: NDArray[Any]) -> tuple[str, ...]:
    """What the columns of rows (n, columns) are called, by their places where the data does not tell."""
    return source.features or tuple(f"column {k}" for k in range(rows.shape[1]))


@final
class EncodedRows(Derived):
    """The rows of a source that an encoder takes, as they are stored; the others are skipped, with the
    column that is to blame.

    Attributes:
        columns: names of the data's columns.
        used: names of those that the encoder is given.
        sound: a row that it takes, (1, columns).
    """

    def __init__(self, source: Source, encoder: Encoder) -> None:
        """
        Raises:
            InputError: the encoder takes other columns, or none of the first rows.
        """
        super().__init__(source)
        self._encoder = encoder
        rows = source.read(0, min(len(source), LOOKED)).x
        self.columns = column_names(source, rows)
        self.used = columns_of(encoder, self.columns)
        reasons: list[str] = []
        for row in range(len(rows)):
            self.sound = rows[row : row + 1]
            why = self._refusal(self.sound)
            if why is None:
                return
            reasons.append(why)
        raise InputError(f"The encoder takes none of the first {len(rows)} rows: {reasons[0]}.")

    def __len__(self) -> int:
        return len(self._source)

    @property
    def left_out(self) -> tuple[str, ...]:
        return self._source.left_out

    def fingerprint(self) -> str:
        """That of the source."""
        return self._source.fingerprint()

    def names(self, start: int, stop: int) -> tuple[str, ...]:
        return self._source.names(start, stop)

    def read(self, start: int, stop: int) -> Batch:
        batch = self._source.read(start, stop)
        if not len(batch.x) or self._refusal(batch.x) is None:
            return batch
        refused = {
            row: why
            for row in range(len(batch.x))
            if (why := self._refusal(batch.x[row : row + 1])) is not None
        }
        skipped = list(batch.skipped)
        for row, why in refused.items():
            id = int(batch.ids[row])
            (name,) = self.names(id, id + 1)
            skipped.append(Skipped(id, name, self._blamed(batch.x[row], why)))
        skipped.sort(key=lambda one: one.id)
        kept = np.array([row for row in range(len(batch.x)) if row not in refused], dtype=np.int64)
        return Batch(batch.x[kept], batch.labels[kept], batch.ids[kept], tuple(skipped))

    def _refusal(self, rows: NDArray[Any]) -> str | None:
        """Why the encoder does not take these rows; None where it does."""
        places = [self.columns.index(name) for name in self.used]
        try:
            flat(encoded(self._encoder, rows[:, places], self.used))
        except InputError as error:
            return reason(error)
        return None

    def _blamed(self, row: NDArray[Any], why: str) -> str:
        """Why it does not take a row: for a cell in whose place it takes that of another row."""
        for name in self.used:
            other = row.copy()
            place = self.columns.index(name)
            other[place] = self.sound[0, place]
            if self._refusal(other[None]) is None:
                known = told(known_values(self._encoder, self.used), name)
                cell = "empty" if row[place] != row[place] else shown(row[place])
                return f"its {name} is {cell}{known or f', and {why}'}"
        return why
