"""What this plugin offers: the command `backlight compare`."""

import typer

from backlight import hookimpl

backlight_api = 1


@hookimpl
def backlight_commands(app: typer.Typer) -> None:
    from backlight_compare.command import compare_command

    app.command("compare")(compare_command)
