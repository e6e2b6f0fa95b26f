"""Examples, labelled or not, read a range at a time."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from backlight.errors import InputError
from backlight.values.examples import UNKNOWN, Labels
from backlight.values.layout import InputKind


@final
@dataclass(frozen=True)
class Skipped:
    """A candidate that could not be read.

    Attributes:
        id: its number among the candidates of its source.
        name: a file's name, or its number.
        reason: in one line.
    """

    id: int
    name: str
    reason: str

    def __str__(self) -> str:
        return f"{self.name}: {self.reason}"


@final
@dataclass(frozen=True)
class Batch:
    """The candidates of a range: those that could be read in `x`, the others in `skipped`.

    Attributes:
        x: one example per row, any numeric dtype; pictures are uint8, (n, H, W, channels), texts are
            objects, (n,).
        labels: what is true of each: mostly its class, int64, (n,), -1 where it is not known; else see
            `Labels`.
        ids: the number of each among all candidates, rising, int64, (n,).
        skipped: those of the range that could not be read, by rising id.
    """

    x: NDArray[Any]
    labels: Labels
    ids: NDArray[np.int64]
    skipped: tuple[Skipped, ...] = ()


class Source(ABC):
    """Examples that are read a range at a time, so that memory does not grow with their number.

    The candidates are numbered from 0 in an order that stays. The number is the example's id: one that
    cannot be read keeps its own, and no other's moves. A source can be pickled, and is small then where
    what it reads is in files: it ships the path.

    **Law**: whatever the ranges, the batches of 0 to `len` joined are the same.
    """

    @abstractmethod
    def __len__(self) -> int:
        """How many candidates there are, readable or not."""

    @property
    @abstractmethod
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, or of the labels or numbers of each example, in their order; none where
        they have none."""

    @property
    @abstractmethod
    def labelled(self) -> bool:
        """Whether there are labels, though some may be missing."""

    @property
    def left_out(self) -> tuple[str, ...]:
        """What is there but is no candidate, with the reason; nothing where a source does not say."""
        return ()

    @property
    def kind(self) -> InputKind | None:
        """What an example is; None where its shape says it."""
        return None

    @property
    def features(self) -> tuple[str, ...]:
        """Names of a table's columns, or of a series' channels; none where they have none."""
        return ()

    @abstractmethod
    def fingerprint(self) -> str:
        """A digest, hexadecimal, of what `read` gives: of the content, and not of where it is."""

    @abstractmethod
    def names(self, start: int, stop: int) -> tuple[str, ...]:
        """What the candidates from `start` to before `stop` are called."""

    @abstractmethod
    def read(self, start: int, stop: int) -> Batch:
        """The candidates from `start` to before `stop`.

        Raises:
            InputError: there are no such candidates, or what is read has changed since it was opened.
        """


def check_range(start: int, stop: int, count: int) -> None:
    if not 0 <= start <= stop <= count:
        raise InputError(
            f"There are {count} candidates, numbered from 0; {start} to {stop} is no range of them."
        )


def numbered(start: int, stop: int) -> tuple[str, ...]:
    """The names of candidates that have none."""
    return tuple(map(str, range(start, stop)))


def ids_between(start: int, stop: int) -> NDArray[np.int64]:
    return np.arange(start, stop, dtype=np.int64)


def unlabelled(count: int) -> NDArray[np.int64]:
    """The labels of so many examples that have none."""
    return np.full(count, UNKNOWN, dtype=np.int64)
