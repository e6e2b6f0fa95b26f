"""What this plugin offers: the command `backlight conformance`."""

import typer

from backlight import hookimpl

backlight_api = 1


@hookimpl
def backlight_commands(app: typer.Typer) -> None:
    from backlight_conformance.command import conformance_command

    app.command("conformance")(conformance_command)
