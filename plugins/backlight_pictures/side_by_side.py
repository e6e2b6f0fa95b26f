"""Several attributions of the same examples, side by side."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any, final

from backlight import Attribution
from backlight.errors import InputError
from backlight_pictures.captions import caption, heading, left_out, unit_of_values
from backlight_pictures.drawing import Drawing
from backlight_pictures.drawings import drawings
from backlight_pictures.fragments.style import styled
from backlight_pictures.scale import Scale, scale_of


@final
@dataclass(frozen=True, eq=False)
class SideBySide:
    """Attributions as a notebook shows them: a row for each example, a column for each attribution.

    Attributes:
        attributions: in the order of the columns.
        drawings: of each attribution, one for each array of its values.
    """

    attributions: tuple[Attribution[Any], ...]
    drawings: tuple[tuple[Drawing, ...], ...]

    def __repr__(self) -> str:
        return f"SideBySide({', '.join(map(repr, self.attributions))})"

    def _repr_html_(self) -> str:
        columns = range(len(self.attributions))
        scales = [self.scales(column) for column in columns]
        heads = "".join(f"<th>{self.head(column, scales[column])}</th>" for column in columns)
        first = self.drawings[0][0]
        rows = "".join(
            f"<tr><th>{self.example(row)}</th>"
            + "".join(f"<td>{self.cell(row, column, scales[column])}</td>" for column in columns)
            + "</tr>"
            for row in range(len(first.coloured))
        )
        more = left_out(len(first.coloured), len(self.attributions[0].score))
        return styled(
            f'<div class="wide"><table class="beside"><thead><tr><th></th>{heads}</tr></thead>'
            f"<tbody>{rows}</tbody></table></div>{more}"
        )

    def shared(self, column: int) -> list[int]:
        """The columns on this one's scale: those whose values sum to scores of the same unit."""
        unit = unit_of_values(self.attributions[column])
        alike = [k for k, one in enumerate(self.attributions) if unit_of_values(one) == unit]
        return alike if unit else [column]

    def scales(self, column: int) -> list[Scale]:
        """Of each drawing in a column."""
        return [
            scale_of(
                [one for other in self.shared(column) for one in self.drawings[other][k].coloured],
                drawing.percentile,
            )
            for k, drawing in enumerate(self.drawings[column])
        ]

    def head(self, column: int, scales: Sequence[Scale]) -> str:
        one = self.attributions[column]
        notes = [
            "shared by columns of this unit"
            if len(self.shared(column)) > 1
            else "a scale of its own"
        ]
        unit = unit_of_values(one)
        legends = (
            drawing.legend(scale, unit, notes)
            for drawing, scale in zip(self.drawings[column], scales, strict=True)
        )
        return heading(one) + "".join(legends)

    def example(self, row: int) -> str:
        """What an example's row begins with: its number, and its input where that is a picture."""
        beside = (drawing.beside for drawing in self.drawings[0])
        return f"{row}" + "".join(f"<div>{found[row]}</div>" for found in beside if found)

    def cell(self, row: int, column: int, scales: Sequence[Scale]) -> str:
        parts = [
            (f"<h4>{escape(drawing.name)}</h4>" if drawing.name else "") + drawing.draw(row, scale)
            for drawing, scale in zip(self.drawings[column], scales, strict=True)
        ]
        return f'{"".join(parts)}<div class="soft">{caption(self.attributions[column], row)}</div>'


def side_by_side(attributions: Sequence[Attribution[Any]]) -> SideBySide:
    """Attributions of the same examples, for a notebook: a row for each example.

    Those whose values sum to scores of one unit share a scale; each of the others has its own.

    Args:
        attributions: by several techniques, of several scores, or of several models.

    Raises:
        InputError: there are none, they are of different numbers of examples or inputs, or one has
            values that cannot be drawn.
    """
    several = tuple(attributions)
    if not several:
        raise InputError("side_by_side needs at least one attribution, got none.")
    found = [(one, drawings(one)) for one in several]
    undrawn = [one for one, drawn in found if drawn is None]
    if undrawn:
        raise InputError(
            f"{undrawn[0]!r} cannot be drawn: there are drawings for pictures, text, tables, series and "
            "volumes of finite values."
        )
    drawn = tuple(made for _, made in found if made is not None)
    counts = {(len(one.score), len(made)) for one, made in zip(several, drawn, strict=True)}
    if len(counts) > 1:
        told = ", ".join(f"{count} examples of {inputs} inputs" for count, inputs in sorted(counts))
        raise InputError(f"Attributions side by side must be of the same examples, got {told}.")
    return SideBySide(several, drawn)
