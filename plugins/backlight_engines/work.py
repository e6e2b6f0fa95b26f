"""Work that is done block by block: what engines are given, and what comes back."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import TypeAlias, final

from backlight_datasets import Skipped


@final
@dataclass(frozen=True)
class Receipt:
    """That a block is done: all that travels back from a worker. Results do not, work stores them.

    Attributes:
        block: its number.
        seconds: that the block took in the worker.
        done: how many examples of it have results.
        skipped: those that have none.
    """

    block: int
    seconds: float
    done: int
    skipped: tuple[Skipped, ...] = ()


Receipts: TypeAlias = Generator[Receipt, None, None]
"""What an engine gives: workers are there until the last receipt, an error, or `close`. What may leave
the loop before, at an interrupt say, closes it (`contextlib.closing`)."""


class Work(ABC):
    """What is to be done with each block of something, in this process or in others.

    It can be pickled and is small: it names a model and data, and loads neither before it starts.

    **Law**: a block may be done twice, at once even, as when a worker is lost that had just done it. The
    outcome is that of once: what is stored is stored whole or not at all, and is the same each time.
    """

    @abstractmethod
    def start(self) -> Callable[[int], Receipt]:
        """Load and open what is needed, once in each worker; what is given does the block of a number.

        What goes wrong with an example belongs into the receipt. An error, here or in a block, ends
        the run.
        """
