"""What an engine with workers provides to the driver, which is the same for all of them."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias, final

from backlight_engines.failure import Failure
from backlight_engines.work import Receipt


@final
@dataclass(frozen=True)
class Ready:
    """The answer of a worker that has started the work."""


@final
@dataclass(frozen=True)
class Lost:
    """In place of an answer: the worker has died.

    Attributes:
        how: as the end of a sentence that begins with the worker.
    """

    how: str


Answer: TypeAlias = Ready | Receipt | Failure | Lost


class Worker(ABC):
    """A worker as the driver sees it: it starts the work, then does what it is sent, in order."""

    @abstractmethod
    def send(self, block: int) -> None:
        """Give it a block, without waiting. Where it has died, an answer will say so."""


class Workers(ABC):
    """All workers of a run."""

    @abstractmethod
    def begin(self) -> Worker:
        """Begin one more worker, without waiting for it."""

    @abstractmethod
    def answers(self) -> Iterator[tuple[Worker, Answer]]:
        """Wait for what workers answer, without end. After `Lost` nothing comes from that worker."""

    @abstractmethod
    def end(self) -> None:
        """End all workers, whatever they do; none is left afterwards."""
