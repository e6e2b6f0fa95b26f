"""Files of other installed packages, found without importing those packages."""

from importlib.util import find_spec
from pathlib import Path

from backlight import BacklightError


class NotInstalledError(BacklightError, ModuleNotFoundError):
    """A package that brings weights or photos is missing."""


def file_of(package: str, path: str) -> Path:
    """Where a file of an installed package lies.

    Args:
        package: import name of the package, such as "skimage".
        path: the file's path inside the package, such as "data/camera.png".
    """
    spec = find_spec(package)
    folders = spec.submodule_search_locations if spec else None
    for folder in folders or ():
        found = Path(folder, path)
        if found.is_file():
            return found
    state = f"has no file {path}" if folders else "is not installed"
    raise NotInstalledError(
        f"Package {package!r} {state}. Type: pip install 'backlight[photos]'", name=package
    )
