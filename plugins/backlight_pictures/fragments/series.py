"""A series as a line for each channel, its moments coloured by their values."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from backlight.errors import InputError
from backlight_pictures.fragments.tint import tint
from backlight_pictures.scale import Scale, number

HEIGHT = 64
"""Pixels of a channel's drawing."""

STRIPS = 240
"""How many stretches a series is drawn in at most."""

CHANNELS = 8
"""How many channels are drawn: those with the largest sum of |value|."""


@final
@dataclass(frozen=True)
class Stretches:
    """A series of L moments in at most `STRIPS` stretches of the same length, the last one shorter.

    Attributes:
        length: how many moments each has.
        values: of each stretch the value that is furthest from zero.
        least, largest: of the series in each stretch.
    """

    length: int
    values: NDArray[np.float64]
    least: NDArray[np.float64]
    largest: NDArray[np.float64]


def stretches(values: NDArray[Any], given: NDArray[Any]) -> Stretches:
    """One channel's values (L,) and the channel (L,), thinned."""
    length = -(-len(values) // STRIPS)
    starts = np.arange(0, len(values), length)
    pieces = np.split(np.asarray(values, dtype=np.float64), starts[1:])
    held = np.asarray(given, dtype=np.float64)
    return Stretches(
        length,
        np.array([piece[np.abs(piece).argmax()] for piece in pieces]),
        np.minimum.reduceat(held, starts),
        np.maximum.reduceat(held, starts),
    )


def line(
    values: NDArray[Any], given: NDArray[Any] | None, names: Sequence[str], scale: Scale
) -> str:
    """The series as a line, each moment with its value's colour behind it, time from left to right.

    Where there are more moments than `STRIPS`, stretches of so many are drawn as one: with the colour of
    the value that is furthest from zero, and a line through the least and the largest number of the
    series. That is said beneath, as is how many channels are left out.

    Args:
        values: (C, L), finite, or (1, L) for all channels together.
        given: the series itself, (C, L); where it is None, the values are drawn as the line.
        names: of the channels, in their order; none where they have only numbers.
        scale: of the values.

    Raises:
        InputError: the series has another length than the values.
    """
    lines = values if given is None else given
    if lines.shape[1] != values.shape[1] or len(values) not in (1, len(lines)):
        raise InputError(f"Values {values.shape} are of no series of shape {lines.shape}.")
    of_all = np.broadcast_to(values, lines.shape)
    sizes = np.abs(of_all).sum(axis=1)
    largest = np.sort(np.argsort(-sizes, kind="stable")[:CHANNELS])
    rows = [
        channel(
            stretches(of_all[k], lines[k]),
            names[k] if names else f"channel {k}" if len(lines) > 1 else "",
            scale,
        )
        for k in largest.tolist()
    ]
    count, length = values.shape[1], -(-values.shape[1] // STRIPS)
    notes = [f"moments 0 to {count - 1}, from left to right"]
    if length > 1:
        notes.append(
            f"each strip is {length} moments: the value furthest from zero, the least and the largest "
            "number of the series"
        )
    if len(lines) > len(rows):
        notes.append(f"the {len(rows)} of {len(lines)} channels with most")
    return f'{"".join(rows)}<div class="soft">{"; ".join(notes)}</div>'


def channel(drawn: Stretches, name: str, scale: Scale) -> str:
    """One channel: its name and its own range, strips of colour, and the line over them."""
    low, high = float(drawn.least.min()), float(drawn.largest.max())
    span = (high - low) or 1.0
    strips, points = [], []
    for k, (value, *ends) in enumerate(zip(drawn.values, drawn.least, drawn.largest, strict=True)):
        colour = tint(float(value), scale)
        if colour:
            title = f"{k * drawn.length}: {number(float(value))}"
            strips.append(
                f'<rect{colour} x="{k}" width="1" height="100"><title>{title}</title></rect>'
            )
        heights = dict.fromkeys(f"{3 + 94 * (high - float(held)) / span:.1f}" for held in ends)
        points += [f"{k + 0.5},{height}" for height in heights]
    named = f"{name}: " if name else ""
    said = escape(f"{named}{number(low)} to {number(high)}")
    return (
        f'<div class="channel"><div class="soft">{said}</div>'
        f'<svg viewBox="0 0 {len(drawn.values)} 100" width="100%" height="{HEIGHT}" '
        f'preserveAspectRatio="none" role="img" aria-label="{said}" fill="none">{"".join(strips)}'
        f'<polyline stroke="currentColor" vector-effect="non-scaling-stroke" '
        f'points="{" ".join(points)}"/></svg></div>'
    )
