"""A text's tokens put together to words, each with the sum of its values."""

from dataclasses import dataclass
from itertools import groupby
from typing import final

from backlight.attribution.described import NO_WORD
from backlight.errors import InputError
from backlight_plots.input_values import InputValues

REPEATED = 3
"""From how many equal tokens in a row on, of those that stand apart, they are drawn as one: padding."""


@final
@dataclass(frozen=True)
class Word:
    """A word, or a token that stands apart.

    Attributes:
        text: as it is read.
        value: the sum of its tokens' values.
        apart: whether it is a special token, or padding.
    """

    text: str
    value: float
    apart: bool = False


def words_of(one: InputValues, example: int, tokens: bool = False) -> list[Word]:
    """The words of one example in their order; ids stand for tokens whose texts nobody gave.

    Args:
        tokens: whether each token is a word.

    Raises:
        InputError: values that are not one for each token.
    """
    if one.values.ndim != 2:
        raise InputError(
            f"Values of shape {one.values.shape} are not one for each token of a text."
        )
    values = one.values[example].tolist()
    if one.input.tokens:
        texts, numbers = one.input.tokens[example], one.input.words[example]
    else:
        ids = one.given(example)
        texts = tuple(map(str, range(len(values)) if ids is None else ids.tolist()))
        numbers = tuple(range(len(values)))
    places = range(len(values))
    found: list[Word] = []
    for number, group in groupby(places, lambda place: numbers[place]):
        members = list(group)
        if number == NO_WORD:
            found += [Word(texts[place], values[place], apart=True) for place in members]
        elif tokens:
            found += [Word(texts[place], values[place]) for place in members]
        else:
            text = "".join(texts[place] for place in members)
            found.append(Word(text, sum(values[place] for place in members)))
    return [
        word
        for _, run in groupby(found, lambda word: (word.text, word.apart))
        for word in together(list(run))
    ]


def together(run: list[Word]) -> list[Word]:
    """Equal tokens in a row as one, where they stand apart and are many."""
    first = run[0]
    if not first.apart or len(run) < REPEATED:
        return run
    text = f"{first.text} \N{MULTIPLICATION SIGN} {len(run)}"
    return [Word(text, sum(word.value for word in run), apart=True)]
