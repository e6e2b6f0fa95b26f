"""A folder of a file system that fsspec knows: `s3://bucket/results`, `gs://...`, `memory://...`."""

import errno
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from io import BufferedIOBase, BytesIO
from typing import Any, BinaryIO, Literal, final

from backlight.errors import PluginError, reason
from backlight.plugins.extras import extra
from backlight_datasets.errors import StoreError
from backlight_datasets.storage.folder import Folder

BLOCK = 1 << 16
"""How many bytes are fetched at least: arrays that lie side by side come in one request."""


@final
@dataclass(frozen=True)
class RemoteFile:
    """A file by its URL."""

    url: str

    def open(self, mode: Literal["rb"], /) -> BufferedIOBase:
        system, path = file_system(self.url)
        opened: BufferedIOBase = system.open(path, mode, block_size=BLOCK)
        return opened

    def __str__(self) -> str:
        return self.url


@final
@dataclass(frozen=True)
class RemoteFolder(Folder):
    """Each file is one put, which object stores do whole or not at all. Where a file system shows what is
    half written, a block is told by its checksums.

    The first plan wins where the file system can create without replacing (S3, Google's, memory do);
    elsewhere two runs that begin at once may both go on, and blocks say whose they are.
    """

    def make(self) -> None:
        """Nothing: a folder is its files' common name."""

    def names(self) -> Iterable[str]:
        system, path = file_system(self.place)
        try:
            return [one.rstrip("/").rpartition("/")[2] for one in system.ls(path, detail=False)]
        except FileNotFoundError:
            return []

    def exists(self, name: str) -> bool:
        system, path = file_system(self.file(name).url)
        return bool(system.exists(path))

    def file(self, name: str) -> RemoteFile:
        return RemoteFile(f"{self.place.rstrip('/')}/{name}")

    def stamp(self, name: str) -> str:
        system, path = file_system(self.file(name).url)
        return str(system.ukey(path))

    def commit(self, name: str, write: Callable[[BinaryIO], object], first: bool = False) -> None:
        content = BytesIO()
        write(content)
        system, path = file_system(self.file(name).url)
        try:
            system.pipe_file(path, content.getvalue(), mode="create" if first else "overwrite")
        except OSError:
            raise
        except Exception as error:  # file systems raise errors of any kind
            raise OSError(errno.EIO, reason(error)) from error

    def clear(self, name: str) -> None:
        """Nothing: no file has a hidden name."""


def file_system(url: str) -> tuple[Any, str]:
    """fsspec's file system of a URL, and the path there. What it has listed it asks for again.

    Raises:
        PluginError: fsspec, or what it needs for this kind of URL, is not installed.
        StoreError: it cannot be reached.
    """
    core = extra("fsspec.core", "remote", f"{url} is a URL, which takes fsspec")
    try:
        system, path = core.url_to_fs(url, use_listings_cache=False)
    except ImportError as error:
        raise PluginError(
            f"{url} takes a package that is not installed: {reason(error)}."
        ) from error
    except Exception as error:  # as it may be: unknown names, no rights, no network
        raise StoreError(f"{url} cannot be reached: {reason(error)}.") from error
    return system, str(path)
