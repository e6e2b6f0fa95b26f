"""What this plugin offers: the command `backlight check`."""

import typer

from backlight import hookimpl


@hookimpl
def backlight_commands(app: typer.Typer) -> None:
    from backlight_check.command import check_command

    app.command("check")(check_command)
