"""What this plugin offers: how an attribution is drawn in a notebook."""

from backlight import Attribution, hookimpl

backlight_api = 1


@hookimpl
def backlight_render(attribution: Attribution) -> str | None:
    # Here and not above: colour maps and Pillow are of no use to most programs that explain.
    from backlight_pictures.snippet import snippet

    return snippet(attribution)
