"""What this plugin offers: how an attribution is drawn in a notebook, and superpixels."""

from collections.abc import Callable, Mapping

from backlight import Attribution, hookimpl
from backlight.features.features import Features

backlight_api = 1


@hookimpl
def backlight_render(attribution: Attribution) -> str | None:
    # Here and not above: colour maps and Pillow are of no use to most programs that explain.
    from backlight_pictures.snippet import snippet

    return snippet(attribution)


@hookimpl
def backlight_function(name: str) -> object | None:
    if name == "side_by_side":
        from backlight_pictures.side_by_side import side_by_side

        return side_by_side
    if name == "activations":
        from backlight_pictures.activations import activations

        return activations
    return None


@hookimpl
def backlight_features() -> Mapping[str, Callable[..., Features]]:
    from backlight_pictures.superpixels import SLIC, Felzenszwalb

    return {"felzenszwalb": Felzenszwalb, "slic": SLIC}
