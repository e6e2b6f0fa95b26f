"""A volume's slices with the largest values, side by side."""

from typing import Any

from matplotlib.axes import Axes

from backlight import Attribution
from backlight_pictures.colours import STRONGEST
from backlight_pictures.layers import Signs
from backlight_pictures.scale import PERCENTILE
from backlight_plots.axes import axes
from backlight_plots.labels import title
from backlight_plots.maps import MOST_SLICES, volume_map
from backlight_plots.overlay import draw_map


def slices(
    attribution: Attribution[Any],
    example: int = 0,
    ax: Axes | None = None,
    *,
    input: str | None = None,
    axis: int = 0,
    max_display: int = MOST_SLICES,
    signs: Signs = "both",
    alpha: float = STRONGEST,
    percentile: float = PERCENTILE,
    limit: float | None = None,
) -> Axes:
    """The slices with the largest sums of |value|, in their order, over the grey volume.

    Args:
        axis: of the volume's three, 0 to 2, across which it is cut.
        max_display: how many slices are drawn at most.
        example, ax, input, signs, alpha, percentile, limit: as of `backlight.plots.picture`.

    Raises:
        BacklightError: there is no such example or input, it is no volume, or a choice is out of its
            range.
    """
    found = volume_map(attribution, example, input, axis, max_display)
    height, width = found.values.shape
    ax = axes(ax, 6.4, min(max(5.2 * height / width, 2.0), 9.0) + 0.4)
    draw_map(ax, attribution, found, signs, alpha, percentile, limit)
    ax.set_title(title(attribution, example))
    return ax
