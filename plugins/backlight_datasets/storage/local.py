"""A folder of this machine, or one that is mounted."""

import errno
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, final

from backlight_datasets.committing import clear, commit, keep_first, replace
from backlight_datasets.storage.folder import Folder


@final
@dataclass(frozen=True)
class LocalFolder(Folder):
    """Files are written under hidden names and renamed; see `commit`."""

    @property
    def path(self) -> Path:
        return Path(self.place)

    def make(self) -> None:
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except FileExistsError:
            raise NotADirectoryError(
                errno.ENOTDIR, os.strerror(errno.ENOTDIR), self.place
            ) from None

    def names(self) -> Iterable[str]:
        return (path.name for path in self.path.iterdir())

    def exists(self, name: str) -> bool:
        return self.file(name).exists()

    def file(self, name: str) -> Path:
        return self.path / name

    def stamp(self, name: str) -> str:
        found = self.file(name).stat()
        return f"{found.st_ino} {found.st_mtime_ns} {found.st_size}"

    def commit(self, name: str, write: Callable[[BinaryIO], object], first: bool = False) -> None:
        commit(self.file(name), write, keep_first if first else replace)

    def clear(self, name: str) -> None:
        clear(self.path, name)
