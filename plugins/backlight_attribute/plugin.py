"""What this plugin offers: `backlight attribute`, `backlight store`, `backlight.attribute_dataset`."""

import typer

from backlight import hookimpl

backlight_api = 1


@hookimpl
def backlight_commands(app: typer.Typer) -> None:
    from backlight_attribute.command import attribute_command
    from backlight_attribute.store_command import store_app

    app.command("attribute")(attribute_command)
    app.add_typer(store_app, name="store")


@hookimpl
def backlight_function(name: str) -> object | None:
    if name != "attribute_dataset":
        return None
    from backlight_attribute.run import attribute_dataset

    return attribute_dataset
