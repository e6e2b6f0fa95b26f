"""What this plugin offers: the module `backlight.plots`."""

from backlight import hookimpl

backlight_api = 1


@hookimpl
def backlight_function(name: str) -> object | None:
    if name != "plots":
        return None
    from backlight_plots import plots

    return plots
