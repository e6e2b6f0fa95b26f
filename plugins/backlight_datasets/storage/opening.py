"""From a path or a URL to a folder."""

import os

from backlight_datasets.errors import StoreError
from backlight_datasets.storage.folder import Folder
from backlight_datasets.storage.local import LocalFolder
from backlight_datasets.storage.remote import RemoteFolder, file_system


def open_folder(place: str | os.PathLike[str]) -> Folder:
    """The folder of a path, or of a URL of any file system that fsspec knows.

    Raises:
        PluginError, StoreError: it has no name, or is a URL that cannot be reached; see `file_system`.
    """
    text = os.fspath(place).removeprefix("file://")
    if not text:
        raise StoreError(
            "The store's folder has no name. Name one, or '.' for the working directory."
        )
    if "://" not in text:
        return LocalFolder(text)
    file_system(text)
    return RemoteFolder(text)
