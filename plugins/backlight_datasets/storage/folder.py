"""What a store asks of the place where its files are."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from io import BufferedIOBase
from typing import BinaryIO, Literal, Protocol


class File(Protocol):
    """A file that can be opened to be read, as a `pathlib.Path` can."""

    def open(self, mode: Literal["rb"], /) -> BufferedIOBase: ...


@dataclass(frozen=True)
class Folder(ABC):
    """Files by name, each there whole or not at all.

    Attributes:
        place: its path or URL.
    """

    place: str

    @abstractmethod
    def make(self) -> None:
        """See that files can be written here.

        Raises:
            OSError: they cannot.
        """

    @abstractmethod
    def names(self) -> Iterable[str]:
        """What is there, in any order."""

    @abstractmethod
    def exists(self, name: str) -> bool: ...

    @abstractmethod
    def file(self, name: str) -> File:
        """A file, which need not be there."""

    @abstractmethod
    def stamp(self, name: str) -> str:
        """What changes when a file is replaced.

        Raises:
            OSError: it is not there.
        """

    @abstractmethod
    def commit(self, name: str, write: Callable[[BinaryIO], object], first: bool = False) -> None:
        """Put a file in its place.

        Args:
            write: writes what is in it.
            first: what was there before stays; else it is replaced.

        Raises:
            FileExistsError: with `first`, one was there.
            OSError: it could not be written.
        """

    @abstractmethod
    def clear(self, name: str) -> None:
        """Remove what killed processes have left of files of the family of this name."""

    def read(self, name: str) -> bytes:
        """A small file.

        Raises:
            OSError: it cannot be read.
        """
        with self.file(name).open("rb") as file:
            return file.read()

    def __str__(self) -> str:
        return self.place
