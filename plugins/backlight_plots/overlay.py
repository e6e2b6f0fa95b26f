"""Maps laid over pictures on Axes."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap

from backlight import Attribution
from backlight.errors import HyperParameterError, is_real
from backlight_pictures.colours import SHADES, laid_on, pale
from backlight_pictures.layers import Signs
from backlight_plots.axes import colour_bar, colour_map, norm
from backlight_plots.labels import value_label
from backlight_plots.maps import Map
from backlight_plots.scales import end_of, scale_to


def draw_map(
    ax: Axes,
    attribution: Attribution[Any],
    found: Map,
    signs: Signs,
    alpha: float,
    percentile: float,
    limit: float | None,
) -> None:
    """See `backlight.plots.picture`."""
    if not (is_real(alpha) and 0 <= alpha <= 1):
        raise HyperParameterError(f"alpha must be from 0 to 1, got {alpha!r}.")
    values, scale = found.signed(signs), scale_to(found.values, percentile, limit)
    height, width = found.values.shape
    extent = (-0.5, width - 0.5, height - 0.5, -0.5)
    colours = colour_map(scale.signed)
    if found.picture is not None:
        below = pale(found.picture)
        ax.imshow(below, "gray", vmin=0, vmax=1, extent=extent, aspect=aspect(found))
        shares = np.linspace(-1.0 if scale.signed else 0.0, 1.0, SHADES)
        colours = ListedColormap(laid_on(shares, scale.signed, alpha), name="overlay")
    drawn = ax.imshow(
        values,
        colours,
        norm(scale),
        interpolation="nearest",
        extent=extent,
        aspect=aspect(found),
    )
    ax.set_xticks([])
    ax.set_yticks([])
    if signs != "both":
        ax.set_xlabel(f"{signs} values alone")
    for (top, left), name in found.names.items():
        ax.text(left, top, name, fontsize=7, ha="left", va="top", parse_math=False)
    colour_bar(ax, drawn, value_label(attribution), values, end_of(percentile, limit))


def aspect(found: Map) -> float:
    """How tall a place of the map is, so that the picture's pixels are square."""
    if found.picture is None:
        return 1.0
    height, width = found.picture.shape[:2]
    rows, columns = found.values.shape
    return float((height / rows) / (width / columns))
