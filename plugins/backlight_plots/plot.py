"""One example drawn as what it is."""

from collections.abc import Mapping
from typing import Any, Protocol

from matplotlib.axes import Axes

from backlight import Attribution
from backlight.attribution.described import InputKind
from backlight.attribution.drawing import PlotKind
from backlight.errors import InputError, UnknownNameError
from backlight_plots.bars import bars
from backlight_plots.input_values import values_of
from backlight_plots.labels import summing
from backlight_plots.line import line
from backlight_plots.picture import picture
from backlight_plots.slices import slices
from backlight_plots.text import text
from backlight_plots.waterfall import waterfall


class Plot(Protocol):
    """A function that draws one example."""

    def __call__(
        self,
        attribution: Attribution[Any],
        example: int = 0,
        ax: Axes | None = None,
        *,
        input: str | None = None,
    ) -> Axes: ...


KINDS: Mapping[PlotKind, Plot] = {
    "picture": picture,
    "text": text,
    "waterfall": waterfall,
    "bars": bars,
    "line": line,
    "slices": slices,
}

NATURAL: Mapping[InputKind, PlotKind] = {
    "picture": "picture",
    "text": "text",
    "table": "waterfall",
    "series": "line",
    "volume": "slices",
}
"""How inputs are drawn where nobody says."""


def plot(
    attribution: Attribution[Any],
    example: int = 0,
    ax: Axes | None = None,
    *,
    kind: PlotKind | None = None,
    input: str | None = None,
) -> Axes:
    """See `Attribution.plot`."""
    if kind is not None and kind not in KINDS:
        raise UnknownNameError("kind of plot", kind, KINDS)
    if kind is None:
        one = values_of(attribution, input)
        kind = NATURAL.get(one.input.kind)
        if kind is None:
            raise InputError(
                f"Values of shape {one.values.shape} of an input of no kind that is known are not drawn "
                f"unasked. Say kind=, one of {', '.join(KINDS)}, or pool them to features: "
                "backlight.plots.bars(attribution, features=...)."
            )
        if kind == "waterfall" and not summing(attribution):
            kind = "bars"
    return KINDS[kind](attribution, example, ax, input=input)
