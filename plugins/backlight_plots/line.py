"""A series: a line for each channel, over the colours of its moments."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from backlight import Attribution
from backlight.errors import InputError, shown
from backlight_pictures.scale import PERCENTILE, number
from backlight_plots.axes import axes, colour_bar, colour_map, norm
from backlight_plots.input_values import checked_example, checked_most, values_of
from backlight_plots.labels import title, value_label
from backlight_plots.maps import along_places, given_layout, model_side
from backlight_plots.scales import end_of, scale_to

COLUMNS = 400
"""How many colours a channel has at most; beyond, neighbouring moments share one."""

MOST_CHANNELS = 8


def line(
    attribution: Attribution[Any],
    example: int = 0,
    ax: Axes | None = None,
    *,
    input: str | None = None,
    times: NDArray[np.floating] | None = None,
    max_display: int = MOST_CHANNELS,
    percentile: float = PERCENTILE,
    limit: float | None = None,
) -> Axes:
    """Moments on red speak for the score, those on blue against it. The channels with the largest sums
    of |value| are drawn, each from its own lowest number to its highest.

    Where there are more than 400 moments, neighbours share a colour: that of their sum, as the axis says.

    Args:
        example, ax, input, percentile, limit: as of `backlight.plots.picture`.
        times: of the moments, rising, (L,), in whatever unit; None for their numbers.
        max_display: how many channels are drawn at most.

    Raises:
        BacklightError: there is no such example or input, it is no series, or a choice is out of its
            range.
    """
    one = values_of(attribution, input)
    row = checked_example(example, len(one.values))
    if one.layout is None or len(one.layout.grid) != 1:
        raise InputError(f"Values of shape {one.values.shape} have no moments of a series.")
    own = along_places(one.values[row], one.layout).T
    moments = checked_times(times, own.shape[1])
    together = -(-own.shape[1] // COLUMNS)
    starts = np.arange(0, own.shape[1], together)
    sums = np.add.reduceat(own, starts, axis=1)
    drawn = np.sort(
        np.argsort(-np.abs(own).sum(axis=1), kind="stable")[: checked_most(max_display)]
    )
    scale = scale_to(sums[drawn], percentile, limit)
    ax = axes(ax, 8.0, 1.7 + 0.9 * len(drawn))
    edges = between(moments)[np.append(starts, own.shape[1])]
    mesh = ax.pcolormesh(
        edges,
        np.arange(len(drawn) + 1),
        sums[drawn],
        cmap=colour_map(scale.signed),
        norm=norm(scale),
    )
    given = one.given(row)
    names = one.input.names or tuple(f"channel {place}" for place in range(len(own)))
    told = [names[place] for place in drawn]
    if given is not None:
        lines = along_places(given, given_layout(given, one, model_side(attribution))).T
        for band, channel in enumerate(drawn[: len(lines)] if len(lines) == len(own) else []):
            numbers = lines[channel].astype(np.float64)
            low, high = float(numbers.min()), float(numbers.max())
            share = (numbers - low) / ((high - low) or 1.0)
            ax.plot(moments, band + 0.9 - 0.8 * share, color="black", linewidth=0.9)
            told[band] += f"\n{number(low)} to {number(high)}"
    ax.set_yticks(np.arange(len(drawn)) + 0.5, told, parse_math=False)
    ax.set_ylim(len(drawn), 0)
    ax.tick_params(axis="y", length=0)
    label = "moment" if times is None else "time"
    ax.set_xlabel(label if together == 1 else f"{label} (a colour is the sum of {together})")
    colour_bar(ax, mesh, value_label(attribution), sums[drawn], end_of(percentile, limit))
    left = len(own) - len(drawn)
    more = f", {left} more channels not drawn" if left else ""
    ax.set_title(title(attribution, example) + more)
    return ax


def checked_times(times: NDArray[np.floating] | None, count: int) -> NDArray[np.float64]:
    if times is None:
        return np.arange(count, dtype=np.float64)
    found = np.asarray(times, dtype=np.float64)
    if found.shape != (count,) or not np.isfinite(found).all() or not (np.diff(found) > 0).all():
        raise InputError(
            f"times must be {count} rising numbers, one for each moment; got {shown(times)}."
        )
    return found


def between(moments: NDArray[np.float64]) -> NDArray[np.float64]:
    """Where each moment begins, and the last ends: half way to its neighbours."""
    if len(moments) == 1:
        return np.array([moments[0] - 0.5, moments[0] + 0.5])
    middles = (moments[1:] + moments[:-1]) / 2
    first, last = 2 * moments[0] - middles[0], 2 * moments[-1] - middles[-1]
    return np.asarray(np.concatenate([[first], middles, [last]]))
