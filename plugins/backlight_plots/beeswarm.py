"""Each example's value of each feature as a dot, coloured by the feature's own number."""

from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap, Normalize
from numpy.typing import NDArray

from backlight import Attribution
from backlight.features.labelling import FeaturesOf
from backlight_plots.axes import GREY, axes
from backlight_plots.examples import count_title, rows_of
from backlight_plots.features import MOST_FEATURES, features_of_many
from backlight_plots.labels import value_label
from backlight_plots.rows import figure_height, name_rows

NUMBERS = ListedColormap(colormaps["plasma"](np.linspace(0, 0.85, 256))).with_extremes(bad=GREY)
"""Of a feature's own numbers: none too pale to see on white, and grey where there is none."""

EXTREMES = 5.0, 95.0
"""Percentiles of a feature's own numbers that have the ends' colours."""

BINS, SPREAD = 80, 0.38
"""Along the axis: dots in one bin lie above one another, at most so far from their row's middle."""

CLOSEST = 0.08
"""From one such dot to the next, where there is room."""


def beeswarm(
    attribution: Attribution[Any],
    ax: Axes | None = None,
    *,
    input: str | None = None,
    features: FeaturesOf | None = None,
    of_class: int | str | None = None,
    max_display: int = MOST_FEATURES,
) -> Axes:
    """Features with the largest mean of |value| on top. Colours go from a feature's own 5th percentile to
    its 95th; what has no number of its own is grey.

    Args:
        ax, input, features, of_class, max_display: as of `backlight.plots.bar`.

    Raises:
        BacklightError: there is no such input, feature or class.
    """
    rows = rows_of(attribution, of_class)
    found = features_of_many(attribution, input, features).of(rows).largest(max_display)
    ax = axes(ax, 7.0, figure_height(len(found.names)))
    ax.axvline(0, color=GREY, linewidth=0.8, zorder=0)
    heights = np.stack([spread(one, found.values) for one in found.values.T], axis=1)
    heights += np.arange(len(found.names))
    colours = np.stack([shares(one) for one in found.given.T], axis=1)
    dots = ax.scatter(
        found.values,
        heights,
        s=9,
        c=colours,
        cmap=NUMBERS,
        norm=Normalize(0, 1),
        linewidths=0,
        plotnonfinite=True,
        rasterized=True,
    )
    if np.isfinite(colours).any():
        scale = ax.figure.colorbar(dots, ax=ax, label="the feature's own number", ticks=[0, 1])
        scale.ax.set_yticklabels(["low", "high"])
    name_rows(ax, found.names)
    ax.set_xlabel(value_label(attribution))
    ax.set_title(count_title(attribution, rows))
    return ax


def shares(numbers: NDArray[np.float64]) -> NDArray[np.float64]:
    """From 0 at a low percentile to 1 at a high one; the middle, where all are equal. NaN stays NaN."""
    sound = numbers[~np.isnan(numbers)]
    low, high = np.percentile(sound, EXTREMES) if len(sound) else (0.0, 0.0)
    if low == high:  # as of a column with few ones
        low, high = np.percentile(sound, (0, 100)) if len(sound) else (0.0, 0.0)
    if low == high:
        return np.where(np.isnan(numbers), np.nan, 0.5)
    return np.asarray(np.clip((numbers - low) / (high - low), 0, 1))


def spread(values: NDArray[np.float64], every: NDArray[np.float64]) -> NDArray[np.float64]:
    """How far above or below its row's middle each dot lies: those of one bin are stacked.

    Args:
        values: of a row, (N,).
        every: the values of all rows, which share an axis.
    """
    low, high = float(every.min()), float(every.max())
    bins = np.floor((values - low) / ((high - low) or 1.0) * (BINS - 1)).astype(np.int64)
    order = np.argsort(bins, kind="stable")
    _, first, counts = np.unique(bins[order], return_index=True, return_counts=True)
    level = np.empty(len(values))
    level[order] = np.arange(len(values)) - np.repeat(first, counts)
    steps = np.ceil(level / 2) * np.where(level % 2 == 0, 1, -1)
    return np.asarray(steps * min(SPREAD / max(float(np.abs(steps).max()), 1.0), CLOSEST))
