"""The words that speak most for and against a class, over many texts."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from matplotlib.axes import Axes

from backlight import Attribution
from backlight.attribution.words import Word
from backlight.errors import InputError
from backlight_plots.axes import GREY, axes, colour_of
from backlight_plots.examples import count_title, rows_of
from backlight_plots.input_values import checked_most, values_of
from backlight_plots.labels import shortened, value_label
from backlight_plots.rows import figure_height, make_room, name_rows, write_values
from backlight_plots.word_values import words_of

MOST_WORDS = 20


@final
@dataclass(frozen=True)
class WordSum:
    """What a word said in many texts.

    Attributes:
        text: in lower case.
        value: the sum over its occurrences.
        count: how many these are.
    """

    text: str
    value: float
    count: int


def words(
    attribution: Attribution[Any],
    ax: Axes | None = None,
    *,
    input: str | None = None,
    of_class: int | str | None = None,
    max_display: int = MOST_WORDS,
) -> Axes:
    """Sums of values over all occurrences, whatever the case of letters: the half that speak most for the
    class on top, the half that speak most against it below, each with the number of its occurrences.
    Special tokens and padding are left out.

    Args:
        ax, input, of_class: as of `backlight.plots.bar`.
        max_display: how many words are drawn at most, at least 2.

    Raises:
        BacklightError: there is no such input or class, or it is no text.
    """
    rows = rows_of(attribution, of_class)
    drawn = strongest(word_sums(attribution, input, rows), max_display)
    ax = axes(ax, 6.4, figure_height(len(drawn)))
    draw_sums(ax, drawn)
    ax.set_xlabel(value_label(attribution, "sum of values") + ", occurrences in brackets")
    ax.set_title(count_title(attribution, rows))
    return ax


def strongest(sums: Sequence[WordSum], max_display: int) -> list[WordSum]:
    """The half of so many that speak most for, then the half that speak most against."""
    half = checked_most(max_display, least=2) // 2
    speaking_for = [one for one in sums if one.value > 0][:half]
    return speaking_for + [one for one in sums if one.value < 0][-half:]


def draw_sums(ax: Axes, sums: Sequence[WordSum]) -> None:
    """A bar for each word, from the top down."""
    values = [one.value for one in sums]
    ax.barh(np.arange(len(sums)), values, height=0.7, color=list(map(colour_of, values)))
    ax.axvline(0, color=GREY, linewidth=0.8)
    name_rows(ax, [f"{shortened(one.text)} ({one.count})" for one in sums])
    write_values(ax, values, values)
    make_room(ax, np.array([0.0, *values]))


def word_sums(attribution: Attribution[Any], input: str | None, rows: Any) -> list[WordSum]:
    """Every word of these examples, from what speaks most for the score to what speaks most against."""
    one = values_of(attribution, input)
    if one.input.kind != "text" or not one.input.tokens:
        raise InputError(
            f"Words are of texts whose tokens are known, and this is {one.input.kind}: explain with "
            "names=tokenizer."
        )
    return sums_of(words_of(one, row) for row in rows.tolist())


def sums_of(texts: Iterable[Sequence[Word]]) -> list[WordSum]:
    """Every word of texts, whatever the case of letters, from what speaks most for the score to what
    speaks most against. Special tokens and padding are left out."""
    found: dict[str, list[float]] = defaultdict(list)
    for text in texts:
        for word in text:
            if not word.apart:
                found[word.text.lower()].append(word.value)
    sums = [WordSum(text, sum(values), len(values)) for text, values in found.items()]
    return sorted(sums, key=lambda one: -one.value)
