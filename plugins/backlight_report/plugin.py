"""What this plugin offers: the command `backlight report`."""

import typer

from backlight import hookimpl

backlight_api = 1


@hookimpl
def backlight_commands(app: typer.Typer) -> None:
    from backlight_report.command import report_command

    app.command("report")(report_command)
