"""What this plugin offers: the command `backlight check`."""

import typer

from backlight import hookimpl

backlight_api = 1


@hookimpl
def backlight_commands(app: typer.Typer) -> None:
    from backlight_check.command import check_command

    app.command("check")(check_command)
