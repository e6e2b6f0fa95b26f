"""A map over the picture that it is of."""

from typing import Any

from matplotlib.axes import Axes

from backlight import Attribution
from backlight_pictures.colours import STRONGEST
from backlight_pictures.layers import Signs
from backlight_pictures.scale import PERCENTILE
from backlight_plots.axes import axes
from backlight_plots.labels import title
from backlight_plots.maps import picture_map
from backlight_plots.overlay import draw_map


def picture(
    attribution: Attribution[Any],
    example: int = 0,
    ax: Axes | None = None,
    *,
    input: str | None = None,
    signs: Signs = "both",
    alpha: float = STRONGEST,
    percentile: float = PERCENTILE,
    limit: float | None = None,
) -> Axes:
    """Red speaks for the score and blue against it, laid over the grey picture; channels are summed.

    A map with fewer places than the picture is drawn with a rectangle for each.

    Args:
        example: its row.
        ax: where to draw; None for a figure of its own.
        input: which of several inputs, by name.
        signs: which values are drawn.
        alpha: how much of the picture the strongest colour hides, 0 to 1.
        percentile: of |value| at which the scale ends, more than 0 and at most 100; the colour bar
            says where it cuts values off.
        limit: the value at which the scale ends, in place of a percentile: plots with the same limit
            can be compared.

    Raises:
        BacklightError: there is no such example or input, it is no picture, or a choice is out of its
            range.
    """
    found = picture_map(attribution, example, input)
    height, width = (found.values if found.picture is None else found.picture).shape[:2]
    ax = axes(ax, 5.2, min(max(4.2 * height / width, 2.0), 8.0) + 0.4)
    draw_map(ax, attribution, found, signs, alpha, percentile, limit)
    ax.set_title(title(attribution, example))
    return ax
