"""What this plugin offers: the command `backlight demo`."""

import typer

from backlight import hookimpl

backlight_api = 1


@hookimpl
def backlight_commands(app: typer.Typer) -> None:
    import backlight_demo.kinds  # noqa: F401  its commands are of the same app
    from backlight_demo.command import demo

    app.add_typer(demo, name="demo")
