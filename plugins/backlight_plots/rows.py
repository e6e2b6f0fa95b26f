"""Horizontal bars, one a row, the first on top."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from backlight_pictures.scale import number

HEIGHT = 0.34
"""Inches of a row."""


def figure_height(count: int) -> float:
    return 1.2 + HEIGHT * count


def name_rows(ax: Axes, names: Sequence[str]) -> None:
    ax.set_yticks(np.arange(len(names)), list(names), parse_math=False)
    ax.set_ylim(len(names) - 0.4, -0.6)
    ax.tick_params(axis="y", length=0)
    ax.spines[["left", "right", "top"]].set_visible(False)


def write_values(
    ax: Axes, ends: Sequence[float], values: Sequence[float], signed: bool = True
) -> None:
    """Numbers beside the bars' ends, on the side that the bars point to."""
    for row, (end, value) in enumerate(zip(ends, values, strict=True)):
        text = f"+{number(value)}" if signed and value > 0 else number(value)
        ax.annotate(
            text,
            (end, row),
            xytext=(3 if value >= 0 else -3, 0),
            textcoords="offset points",
            ha="left" if value >= 0 else "right",
            va="center",
            fontsize=8,
        )


def make_room(ax: Axes, ends: NDArray[np.float64]) -> None:
    """Limits that leave room for the numbers beside the bars."""
    low, high = float(ends.min()), float(ends.max())
    room = 0.2 * ((high - low) or 1.0)
    ax.set_xlim(low - room, high + room)
