"""What this plugin offers: the function `backlight.study`."""

from backlight import hookimpl

backlight_api = 1


@hookimpl
def backlight_function(name: str) -> object | None:
    if name != "study":
        return None
    from backlight_study.run import study

    return study
