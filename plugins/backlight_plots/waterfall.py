"""From the baseline's score to the example's, feature by feature."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes

from backlight import Attribution
from backlight.errors import InputError
from backlight.features.labelling import FeaturesOf
from backlight_pictures.scale import number
from backlight_plots.axes import GREY, axes, colour_of
from backlight_plots.features import MOST_FEATURES, features_of_one
from backlight_plots.labels import summing, title
from backlight_plots.rows import figure_height, make_room, name_rows, write_values

GAP, REST = "gap", "elsewhere"
"""What rows are called that are of no feature: see `waterfall`."""

ROUNDING = 1e-9
"""Of float64 sums: what is elsewhere is nothing up to this share of the values."""


def waterfall(
    attribution: Attribution[Any],
    example: int = 0,
    ax: Axes | None = None,
    *,
    input: str | None = None,
    features: FeaturesOf | None = None,
    max_display: int = MOST_FEATURES,
) -> Axes:
    """Bars that begin where the last one ended: at the bottom the baseline's score, on top the score.

    The largest are on top; the smaller ones are one bar, values of no feature another, and what the
    values lack of the difference of the scores, the signed completeness gap, a hatched one.

    Args:
        example: its row.
        ax: where to draw; None for a figure of its own.
        input: which of several inputs, by name.
        features: to which all values are pooled, such as "grid:4x4"; None for a table's columns or a
            text's words.
        max_display: how many features have rows, at least 2.

    Raises:
        BacklightError: there is no such example, input or feature, or a technique whose values do not
            sum to the difference of two scores.
    """
    before = attribution.baseline_score
    if before is None or not summing(attribution):
        raise InputError(
            f"The values of {attribution.method} sum to no difference of scores: draw them as bars, "
            "kind='bars'."
        )
    found = features_of_one(attribution, example, input, features)
    known, rest = float(np.abs(found.values).sum()), float(found.rest[0])
    found = found.largest(max_display)
    rows = list(zip(found.named(0), found.values[0].tolist(), strict=True))
    if abs(rest) > ROUNDING * known:
        rows.append((REST, rest))
    start, end = float(before[example]), float(attribution.score[example])
    rows.append((GAP, end - start - sum(value for _, value in rows)))
    ends = start + np.cumsum([value for _, value in reversed(rows)])[::-1]
    begins = np.append(ends[1:], start)
    ax = axes(ax, 7.2, figure_height(len(rows)))
    for row, (name, value) in enumerate(rows):
        ax.barh(
            row,
            value,
            left=begins[row],
            height=0.7,
            color="white" if name == GAP else colour_of(value),
            edgecolor=GREY if name == GAP else "none",
            hatch="////" if name == GAP else None,
        )
        ax.plot([ends[row]] * 2, [row - 0.65, row + 0.35], color=GREY, linewidth=0.6)
    name_rows(ax, [name for name, _ in rows])
    write_values(ax, ends.tolist(), [value for _, value in rows])
    make_room(ax, np.append(ends, start))
    ax.axvline(start, color=GREY, linestyle=":", linewidth=0.8, zorder=0)
    unit = f" ({attribution.unit})" if attribution.unit else ""
    ax.set_xlabel(f"score{unit}, {number(start)} at the baseline, {number(end)} here")
    ax.set_title(title(attribution, example))
    return ax
