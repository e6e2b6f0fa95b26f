"""The first examples of one array of values, ready to be drawn on any scale."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, final

from numpy.typing import NDArray

from backlight_pictures.fragments.tint import legend
from backlight_pictures.scale import Scale, scale_of

SHOWN = 6
"""How many examples are drawn."""


@final
@dataclass(frozen=True)
class Drawing:
    """
    Attributes:
        coloured: of each example the numbers that have colours: of words, columns, places.
        draw: the fragment of one of them.
        percentile: of |value|, where the strongest colour is.
        colours: an element with a scale's colours, where they are those of pictures.
        beside: of each example its input as an image; none where `draw` shows the input.
        name: of the input, where there are several.
    """

    coloured: list[NDArray[Any]]
    draw: Callable[[int, Scale], str]
    percentile: float = 100.0
    colours: Callable[[Scale], str] | None = None
    beside: tuple[str, ...] = ()
    name: str = ""

    @property
    def scale(self) -> Scale:
        """One for all these examples."""
        return scale_of(self.coloured, self.percentile)

    def legend(self, scale: Scale, unit: str, notes: Sequence[str] = ()) -> str:
        """A scale's colours and numbers, and how many values are beyond it."""
        beyond = [f"{100 - self.percentile:g} % beyond"] if self.percentile < 100 else []
        colours = "" if self.colours is None else self.colours(scale)
        return legend(scale, unit, [*notes, *beyond], colours)
