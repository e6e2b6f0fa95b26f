"""Columns with their values as bars to both sides of zero, the largest first."""

from collections.abc import Sequence
from html import escape
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backlight_pictures.scale import Scale, number

SHOWN = 12
"""How many columns are listed."""


def bars(
    values: NDArray[Any],
    names: Sequence[str],
    given: NDArray[Any] | None,
    scale: Scale,
    what: str = "column",
    held: str = "input",
) -> str:
    """A table of the columns with the largest |value|, and what the others sum to.

    Args:
        values: (F,), finite.
        names: of the F columns; none where they have only numbers.
        given: the row itself, (F,), where it is known.
        scale: of the values.
        what: columns are called.
        held: what they hold is called.
    """
    row = np.asarray(values, dtype=np.float64)
    order = np.argsort(-np.abs(row), kind="stable")
    lines = []
    for column in order[:SHOWN].tolist():
        name = names[column] if names else str(column)
        own = "" if given is None else f"<td>{escape(cell(given[column]))}</td>"
        lines.append(
            f"<tr><th>{escape(name)}</th>{own}{bar(float(row[column]), scale)}"
            f"<td>{number(float(row[column]))}</td></tr>"
        )
    rest = order[SHOWN:]
    if rest.size:
        lines.append(
            f'<tr><td class="rest" colspan="4">and {rest.size} smaller, together '
            f"{number(float(row[rest].sum()))}</td></tr>"
        )
    titles = (what, "", "value") if given is None else (what, held, "", "value")
    head = "".join(f"<th>{escape(title)}</th>" for title in titles)
    return (
        f'<table class="bars"><thead><tr>{head}</tr></thead><tbody>{"".join(lines)}</tbody></table>'
    )


def bar(value: float, scale: Scale) -> str:
    """From zero to the value: zero is in the middle of a scale with a sign, else at the left end."""
    share = float(scale.shares(np.asarray(value)))
    left = 50 + 50 * min(share, 0) if scale.signed else 0
    width = abs(share) * (50 if scale.signed else 100)
    side = "for" if share > 0 else "against"
    return (
        f'<td class="track"><div class="{side}" style="margin-left:{left:.1f}%;width:{width:.1f}%">'
        "</div></td>"
    )


def cell(given: object) -> str:
    """What a column holds: a number in a few digits, anything else as it is."""
    return number(float(given)) if isinstance(given, (int, float, np.number)) else str(given)
