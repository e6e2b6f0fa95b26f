"""All examples' values of all features as one picture."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes

from backlight import Attribution
from backlight.features.labelling import FeaturesOf
from backlight_pictures.scale import PERCENTILE
from backlight_plots.axes import axes, colour_bar, colour_map, norm
from backlight_plots.examples import count_title, rows_of
from backlight_plots.features import MOST_FEATURES, features_of_many
from backlight_plots.labels import value_label
from backlight_plots.rows import figure_height, name_rows
from backlight_plots.scales import end_of, scale_to


def heatmap(
    attribution: Attribution[Any],
    ax: Axes | None = None,
    *,
    input: str | None = None,
    features: FeaturesOf | None = None,
    of_class: int | str | None = None,
    max_display: int = MOST_FEATURES,
    percentile: float = PERCENTILE,
    limit: float | None = None,
) -> Axes:
    """A row for each feature, that with the largest mean of |value| on top, and a column for each
    example, from the lowest score to the highest.

    Args:
        ax, input, features, of_class, max_display: as of `backlight.plots.bar`.
        percentile, limit: as of `backlight.plots.picture`.

    Raises:
        BacklightError: there is no such input, feature or class, or a choice is out of its range.
    """
    rows = rows_of(attribution, of_class)
    rows = rows[np.argsort(attribution.score[rows], kind="stable")]
    found = features_of_many(attribution, input, features).of(rows).largest(max_display)
    scale = scale_to(found.values, percentile, limit)
    ax = axes(ax, 8.0, figure_height(len(found.names)))
    drawn = ax.imshow(
        found.values.T,
        colour_map(scale.signed),
        norm(scale),
        aspect="auto",
        interpolation="nearest",
    )
    name_rows(ax, found.names)
    ax.set_xlabel("examples, from the lowest score to the highest")
    colour_bar(ax, drawn, value_label(attribution), found.values, end_of(percentile, limit))
    ax.set_title(count_title(attribution, rows))
    return ax
