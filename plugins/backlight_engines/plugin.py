"""What this plugin offers: the engines of this package, by name, and the command `backlight engines`."""

from collections.abc import Callable, Mapping

import typer

from backlight import hookimpl
from backlight_engines.engine import Engine

backlight_api = 1


@hookimpl
def backlight_engines() -> Mapping[str, Callable[..., Engine]]:
    from backlight_engines import ENGINES

    return ENGINES


@hookimpl
def backlight_commands(app: typer.Typer) -> None:
    from backlight_engines.command import engines_command

    app.command("engines")(engines_command)
