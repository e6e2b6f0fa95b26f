"""What this plugin offers: the function `backlight.continuation`."""

from backlight import hookimpl

backlight_api = 1


@hookimpl
def backlight_function(name: str) -> object | None:
    if name != "continuation":
        return None
    from backlight_text.continuing import continuation

    return continuation
