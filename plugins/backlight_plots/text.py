"""A text with its words coloured."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import TextToPath

from backlight import Attribution
from backlight.attribution.words import Word
from backlight_pictures.scale import Scale
from backlight_plots.axes import GREY, axes, colour_bar, colour_map, norm, text_on
from backlight_plots.input_values import checked_example, values_of
from backlight_plots.labels import readable, title, value_label
from backlight_plots.scales import scale_to
from backlight_plots.word_values import words_of

SIZE, LINE, SPACE, PAD = 10.0, 19.0, 4.0, 1.5
"""Of the font, from line to line, between words and around them: points."""

WIDTH = 520.0
"""Of a line in a figure of its own, in points."""


def text(
    attribution: Attribution[Any],
    example: int = 0,
    ax: Axes | None = None,
    *,
    input: str | None = None,
    tokens: bool = False,
    limit: float | None = None,
) -> Axes:
    """Words on red speak for the score, those on blue against it; lines are wrapped.

    A word has the sum of its tokens' values, and the scale ends at the largest |value| of a word. Special
    tokens and padding are dimmed: their value is the colour of their frame, and equal ones in a row are
    one, with their number and their sum.

    Lines are as wide as `ax` is when it is drawn into, and as many as it takes; a figure of its own is as
    high as these.

    Args:
        example, ax, input, limit: as of `backlight.plots.picture`.
        tokens: colour each token by itself.

    Raises:
        BacklightError: there is no such example or input, it is no text, or a choice is out of its
            range.
    """
    one = values_of(attribution, input)
    row = checked_example(example, len(one.values))
    words = words_of(one, row, tokens)
    values = np.array([word.value for word in words])
    largest = max((abs(word.value) for word in words if not word.apart), default=0.0) or None
    scale = scale_to(values, 100, largest if limit is None else limit)
    width, room = (WIDTH, 0.0) if ax is None else points(ax)
    starts = wrapped([advance(word) for word in words], width)
    height = max(LINE * (starts[-1][0] + 1), room)
    ax = axes(ax, WIDTH / 72, height / 72 + 1.2)
    for word, (line, x) in zip(words, starts, strict=True):
        draw_word(ax, word, x, LINE * (line + 0.5), scale)
    ax.set_xlim(0, width)
    ax.set_ylim(height, 0)
    ax.set_axis_off()
    drawn = ScalarMappable(norm(scale), colour_map(scale.signed))
    colour_bar(
        ax,
        drawn,
        value_label(attribution),
        values,
        "the largest word" if limit is None else None,
        "horizontal",
    )
    ax.set_title(title(attribution, example))
    return ax


def draw_word(ax: Axes, word: Word, x: float, y: float, scale: Scale) -> None:
    colour = np.array(colour_map(scale.signed)(norm(scale)(word.value))[:3])
    ax.text(
        x,
        y,
        readable(word.text),
        fontsize=SIZE,
        va="center_baseline",
        parse_math=False,
        in_layout=False,  # which would measure each word once more
        color=GREY if word.apart else text_on(colour),
        bbox={
            "boxstyle": f"square,pad={PAD / SIZE}",
            "facecolor": "white" if word.apart else tuple(colour),
            "edgecolor": tuple(colour) if word.apart else "none",
        },
    )


def points(ax: Axes) -> tuple[float, float]:
    """Width and height."""
    extent = ax.get_window_extent()
    return extent.width * 72 / ax.figure.dpi, extent.height * 72 / ax.figure.dpi


def advance(word: Word) -> float:
    """The width of a word, in points."""
    found, _, _ = TextToPath().get_text_width_height_descent(
        readable(word.text), FontProperties(size=SIZE), ismath=False
    )
    return float(found)


def wrapped(advances: list[float], width: float) -> list[tuple[int, float]]:
    """The line of each word, and where in it it begins, in lines of this width."""
    found, line, x = [], 0, 0.0
    for one in advances:
        if x and x + one > width:
            line, x = line + 1, 0.0
        found.append((line, x))
        x += one + SPACE + 2 * PAD
    return found
