"""How large features' values are on average over many examples."""

from dataclasses import replace
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from backlight import Attribution
from backlight.features.labelling import FeaturesOf
from backlight_plots.axes import GREY, axes
from backlight_plots.examples import count_title, rows_of
from backlight_plots.features import MOST_FEATURES, features_of_many
from backlight_plots.labels import value_label
from backlight_plots.rows import figure_height, make_room, name_rows, write_values


def bar(
    attribution: Attribution[Any],
    ax: Axes | None = None,
    *,
    input: str | None = None,
    features: FeaturesOf | None = None,
    of_class: int | str | None = None,
    max_display: int = MOST_FEATURES,
) -> Axes:
    """The mean of |value| over the examples, the largest on top.

    Args:
        ax: where to draw; None for a figure of its own.
        input: which of several inputs, by name.
        features: to which all values are pooled, such as "grid:4x4"; None for a table's columns.
        of_class: only examples that were explained for this class, by number or name.
        max_display: how many rows there are at most, at least 2; the last is the sum of the others.

    Raises:
        BacklightError: there is no such input, feature or class.
    """
    rows = rows_of(attribution, of_class)
    found = features_of_many(attribution, input, features).of(rows)
    sizes = np.abs(found.values).mean(axis=0, keepdims=True)
    found = replace(found.of(np.arange(1)), values=sizes).largest(max_display)
    shown = found.values[0].tolist()
    ax = axes(ax, 6.4, figure_height(len(shown)))
    ax.barh(np.arange(len(shown)), shown, height=0.7, color=GREY)
    name_rows(ax, found.names)
    write_values(ax, shown, shown, signed=False)
    make_room(ax, np.array([0.0, *shown]))
    ax.set_xlim(left=0)
    ax.set_xlabel(value_label(attribution, "mean |value|"))
    ax.set_title(count_title(attribution, rows))
    return ax
