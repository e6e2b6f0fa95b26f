"""The colour of a value: a share of the strongest, which the style has for light and for dark paper."""

from collections.abc import Sequence
from html import escape

import numpy as np

from backlight_pictures.scale import Scale, number


def tint(value: float, scale: Scale) -> str:
    """The attributes of an element that is coloured by a value; none where it has no colour."""
    share = float(scale.shares(np.asarray(value)))
    if round(share, 2) == 0:
        return ""
    side = "for" if share > 0 else "against"
    return f' class="{side}" style="--share:{abs(share):.2f}"'


def legend(scale: Scale, unit: str, notes: Sequence[str] = (), colours: str = "") -> str:
    """The colours of a scale from end to end, with their numbers.

    Args:
        unit: of the numbers.
        notes: what else is to be said of the scale.
        colours: an element with other colours than those of `tint`.
    """
    low, high = scale.ends
    numbers = " &middot; ".join(map(number, (low, 0.0, high) if scale.signed else (low, high)))
    if not colours:
        left = "rgb(var(--backlight-against))," if scale.signed else ""
        ends = f"{left}transparent,rgb(var(--backlight-for))"
        colours = f'<div style="background:linear-gradient(90deg,{ends})"></div>'
    said = "; ".join([f"{numbers} {escape(unit)}".rstrip(), *map(escape, notes)])
    return f'<div class="scale">{colours}{said}</div>'
