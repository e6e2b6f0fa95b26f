"""Attributions drawn with matplotlib, and what is asked for one kind of input or over many examples.

Each plot takes `ax`, the Axes to draw into, and gives it back; without one it makes a Figure of its own,
`plot(...).figure`. Nothing is shown, no global state of matplotlib is used or changed, and the
attribution stays as it is.
"""

from typing import TYPE_CHECKING

from backlight.plugins.extras import extra
from backlight.plugins.lazy import lazily

if TYPE_CHECKING:
    from backlight_plots.bar import bar
    from backlight_plots.bars import bars
    from backlight_plots.beeswarm import beeswarm
    from backlight_plots.heatmap import heatmap
    from backlight_plots.image import image
    from backlight_plots.line import line
    from backlight_plots.picture import picture
    from backlight_plots.plot import plot
    from backlight_plots.slices import slices
    from backlight_plots.text import text
    from backlight_plots.waterfall import waterfall
    from backlight_plots.words import words

__all__ = [
    "bar",
    "bars",
    "beeswarm",
    "heatmap",
    "image",
    "line",
    "picture",
    "plot",
    "slices",
    "text",
    "waterfall",
    "words",
]

found = lazily(__name__, {name: f"backlight_plots.{name}" for name in __all__})


def __getattr__(name: str) -> object:
    if name in __all__ and name != "image":  # which Pillow draws alone
        extra("matplotlib", "plot", "Plots need matplotlib")
    return found(name)
