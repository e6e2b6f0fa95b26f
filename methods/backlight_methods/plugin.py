"""The techniques of this package, by name."""

from collections.abc import Callable, Mapping

from backlight import Method, hookimpl
from backlight_methods import METHODS

backlight_api = 1


@hookimpl
def backlight_methods() -> Mapping[str, Callable[..., Method]]:
    return METHODS
