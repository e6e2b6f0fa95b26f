"""What was found in files when they were opened, and is looked for again where they may have changed."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar, final

from backlight.errors import InputError


class Index(Protocol):
    """Where the examples lie in files.

    Attributes:
        files: that were looked at.
        digest: of what was found.
    """

    @property
    def files(self) -> Sequence[Path]: ...

    @property
    def digest(self) -> str: ...


AnIndex = TypeVar("AnIndex", bound=Index)


@final
class Found(Generic[AnIndex]):
    """An index of files, made again where one was written since, and in another process.

    A pickle ships how it is made and its digest, and not the index, which may be large.
    """

    def __init__(self, place: Path, find: Callable[[], AnIndex]) -> None:
        """
        Args:
            place: what the user named, for messages.
            find: makes the index; it can be pickled.
        """
        self._place, self._find = place, find
        self._index: AnIndex | None = find()
        self._digest = self._index.digest
        self._stamps = stamps(self._index.files)

    @property
    def digest(self) -> str:
        return self._digest

    def now(self) -> AnIndex:
        """The index.

        Raises:
            InputError: the files hold other data than when they were opened.
        """
        if self._index is None or stamps(self._index.files) != self._stamps:
            self._index = self._find()
            self._stamps = stamps(self._index.files)
        if self._index.digest != self._digest:
            raise InputError(
                f"{self._place} holds other data than when it was opened. Put it back, or begin again."
            )
        return self._index

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_index": None}


def stamps(files: Sequence[Path]) -> list[tuple[int, int]]:
    """Sizes and times of writing; a file that is not there has (-1, 0)."""
    return [stamp(file) for file in files]


def stamp(file: Path) -> tuple[int, int]:
    try:
        seen = file.stat()
    except OSError:
        return -1, 0
    return seen.st_size, seen.st_mtime_ns
