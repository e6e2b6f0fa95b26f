"""The colour of a value: a share of the strongest, which the style has for light and for dark paper."""

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


def legend(scale: Scale, unit: str) -> str:
    """The colours of a scale from end to end, with their numbers."""
    low, high = scale.ends
    left = "rgb(var(--backlight-against))," if scale.signed else ""
    numbers = " &middot; ".join(map(number, (low, 0.0, high) if scale.signed else (low, high)))
    return (
        f'<div class="scale"><div style="background:linear-gradient(90deg,{left}transparent,'
        f'rgb(var(--backlight-for)))"></div>{numbers} {escape(unit)}</div>'
    )
