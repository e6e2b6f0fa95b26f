"""What this plugin offers: the engines of this package, by name."""

from collections.abc import Callable, Mapping

from backlight import hookimpl
from backlight_engines.engine import Engine

backlight_api = 1


@hookimpl
def backlight_engines() -> Mapping[str, Callable[..., Engine]]:
    from backlight_engines import ENGINES

    return ENGINES
