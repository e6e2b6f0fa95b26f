"""An attribution as a piece of HTML: each example's input with the values of its parts, by its kind."""

from html import escape
from typing import Any

from backlight import Attribution
from backlight_pictures.captions import caption, heading, left_out, unit_of_values
from backlight_pictures.drawing import Drawing
from backlight_pictures.drawings import drawings
from backlight_pictures.fragments.style import styled


def snippet(attribution: Attribution[Any]) -> str | None:
    """Self-contained HTML, or None if there is no drawing for such values."""
    found = drawings(attribution)
    if found is None:
        return None
    parts = "".join(drawn(one, attribution) for one in found)
    return styled(f"{heading(attribution)}{parts}")


def drawn(one: Drawing, attribution: Attribution[Any]) -> str:
    """The first examples of one array, all on one scale, and how many there are."""
    scale, count, total = one.scale, len(one.coloured), len(attribution.score)
    figures = "".join(
        f"<figure>{one.beside[row] if one.beside else ''}{one.draw(row, scale)}"
        f"<figcaption>{caption(attribution, row)}</figcaption></figure>"
        for row in range(count)
    )
    named = f"<h4>{escape(one.name)}</h4>" if one.name else ""
    notes = ["one scale for all"] if count > 1 else []
    bar = one.legend(scale, unit_of_values(attribution), notes)
    return f'{named}<div class="examples">{figures}</div>{bar}{left_out(count, total)}'
