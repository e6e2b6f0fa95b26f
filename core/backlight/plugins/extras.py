"""Packages that not every installation has."""

from importlib import import_module
from types import ModuleType

from backlight.errors import PluginError


def extra(module: str, name: str, use: str) -> ModuleType:
    """A module of a package that comes with one of Backlight's extras.

    Args:
        module: its full name.
        name: of the extra.
        use: what it is needed for, as the beginning of the message: "Parquet files need pyarrow".

    Raises:
        PluginError: it is not installed; how to install it is said.
    """
    try:
        return import_module(module)
    except ImportError as error:
        raise PluginError(f"{use} ({error}): pip install 'backlight[{name}]'.") from error
