"""What can be read in its order only, by number: it is read on from where it was read last."""

from collections.abc import Callable, Iterator
from typing import Generic, Protocol, Self, TypeVar, final


class Rows(Protocol):
    """Some rows that lie one after the other: a list, or a part of a table."""

    def __len__(self) -> int: ...

    def __getitem__(self, rows: slice, /) -> Self: ...


Piece = TypeVar("Piece", bound=Rows)


@final
class ReadOn(Generic[Piece]):
    """Rows that come in pieces. A pass over them in order reads each once; going back begins again."""

    def __init__(self, begin: Callable[[], Iterator[Piece]]) -> None:
        self._begin = begin
        self._pieces: Iterator[Piece] | None = None
        self._piece: Piece | None = None
        self._at = 0

    def rows(self, start: int, stop: int) -> list[Piece]:
        """The rows from `start` to before `stop`, or fewer where these are not all there."""
        if self._pieces is None or start < self._at:
            self._pieces, self._at = self._begin(), 0
            self._piece = next(self._pieces, None)
        found: list[Piece] = []
        while self._piece is not None:
            end = self._at + len(self._piece)
            if max(start, self._at) < min(stop, end):
                found.append(self._piece[max(start - self._at, 0) : stop - self._at])
            if stop <= end:
                break
            self._piece, self._at = next(self._pieces, None), end
        return found
