"""Axes to draw into, and the colours of values on them; pyplot, which has a state, is never used."""

from functools import cache
from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import ListedColormap, Normalize
from matplotlib.figure import Figure
from numpy.typing import NDArray

from backlight_pictures.colours import SHADES, painted
from backlight_pictures.scale import Scale

GREY = "#6e6e6e"
"""Of what is not a value: 5 to 1 against white."""

FOR, AGAINST = (tuple(map(float, painted(np.array(share), signed=True))) for share in (0.85, -0.85))
"""Of bars that speak for the score and against it."""


def axes(ax: Axes | None, width: float = 6.4, height: float = 4.0) -> Axes:
    """These, or those of a new figure of so many inches."""
    if ax is not None:
        return ax
    return Figure(figsize=(width, height), layout="constrained").add_subplot()


EXTENDED: dict[tuple[bool, bool], Literal["neither", "both", "min", "max"]] = {
    (False, False): "neither",
    (True, True): "both",
    (True, False): "min",
    (False, True): "max",
}
"""The ends of a colour bar with an arrow: whether there are values below and above the scale."""


@cache
def colour_map(signed: bool) -> ListedColormap:
    """The colours of values from one end of a scale to the other."""
    shares = np.linspace(-1.0 if signed else 0.0, 1.0, SHADES)
    return ListedColormap(painted(shares, signed), name="diverging" if signed else "sequential")


def norm(scale: Scale) -> Normalize:
    """The scale for matplotlib; where all values are 0, its ends still differ, and zero is neutral."""
    limit = scale.limit or 1.0
    return Normalize(-limit if scale.signed else 0.0, limit)


def colour_bar(
    ax: Axes,
    mappable: ScalarMappable,
    label: str,
    values: NDArray[np.float64],
    end: str | None,
    orientation: Literal["vertical", "horizontal"] = "vertical",
) -> None:
    """Beside the axes or below, the scale of a drawing, which says where it cuts values off.

    Args:
        values: all that are drawn.
        end: where the scale ends, such as "percentile 99"; None where the user has said it.
    """
    low, high = mappable.get_clim()
    below, above = bool((values < (low or 0)).any()), bool((values > (high or 0)).any())
    if end is not None and (below or above):
        apart = "\n" if orientation == "vertical" else ", "
        label += f"{apart}cut off at {end}"
    ax.figure.colorbar(
        mappable,
        ax=ax,
        label=label,
        extend=EXTENDED[below, above],
        orientation=orientation,
        aspect=20 if orientation == "vertical" else 50,
    )


def colour_of(value: float) -> tuple[float, ...]:
    """Of a bar for this value."""
    return FOR if value >= 0 else AGAINST


def text_on(colour: NDArray[np.float64]) -> str:
    """Black or white, whichever is told better from this colour (red, green, blue from 0 to 1; the
    relative luminance of WCAG 2.2)."""
    linear = np.where(colour <= 0.04045, colour / 12.92, ((colour + 0.055) / 1.055) ** 2.4)
    luminance = float(linear @ np.array([0.2126, 0.7152, 0.0722]))
    return "black" if (luminance + 0.05) / 0.05 > 1.05 / (luminance + 0.05) else "white"
