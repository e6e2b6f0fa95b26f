"""The techniques of this package, and the kinds of features that the core has, by name."""

from collections.abc import Callable, Mapping

from backlight import Method, hookimpl
from backlight.features.features import Features
from backlight.features.groups import Columns, Elements, Tokens
from backlight.features.places import Channels, Grid, Windows
from backlight_methods import METHODS

backlight_api = 1


@hookimpl
def backlight_methods() -> Mapping[str, Callable[..., Method]]:
    return METHODS


@hookimpl
def backlight_features() -> Mapping[str, Callable[..., Features]]:
    return {
        "channels": Channels,
        "columns": Columns,
        "elements": Elements,
        "grid": Grid,
        "tokens": Tokens,
        "windows": Windows,
    }
