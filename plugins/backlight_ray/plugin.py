"""What this plugin offers: the engine `ray`, whether Ray is installed or not."""

from collections.abc import Callable, Mapping

from backlight import hookimpl
from backlight_engines import Engine

backlight_api = 1


@hookimpl
def backlight_engines() -> Mapping[str, Callable[..., Engine]]:
    from backlight_ray import Ray

    return {"ray": Ray}
