"""One example's features with the largest values, as bars to both sides of zero."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes

from backlight import Attribution
from backlight.features.labelling import FeaturesOf
from backlight_plots.axes import GREY, axes, colour_of
from backlight_plots.features import MOST_FEATURES, features_of_one
from backlight_plots.labels import title, value_label
from backlight_plots.rows import figure_height, make_room, name_rows, write_values


def bars(
    attribution: Attribution[Any],
    example: int = 0,
    ax: Axes | None = None,
    *,
    input: str | None = None,
    features: FeaturesOf | None = None,
    max_display: int = MOST_FEATURES,
) -> Axes:
    """The largest |value| on top, with its standard error where samples were drawn.

    Args:
        example, ax, input, features, max_display: as of `backlight.plots.waterfall`.

    Raises:
        BacklightError: there is no such example, input or feature.
    """
    found = features_of_one(attribution, example, input, features).largest(max_display)
    values, error = found.values[0], np.nan_to_num(found.standard_error[0])
    places = np.arange(len(values))
    ax = axes(ax, 7.2, figure_height(len(values)))
    ax.barh(places, values, height=0.7, color=list(map(colour_of, values)))
    if error.any():
        ax.errorbar(values, places, xerr=error, fmt="none", ecolor=GREY)
    ax.axvline(0, color=GREY, linewidth=0.8)
    ends = values + np.sign(values) * error
    name_rows(ax, found.named(0))
    write_values(ax, ends.tolist(), values.tolist())
    make_room(ax, np.append(ends, 0.0))
    ax.set_xlabel(value_label(attribution))
    ax.set_title(title(attribution, example))
    return ax
