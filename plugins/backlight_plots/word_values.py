"""The words of one example of a text, with their values."""

from backlight.attribution.described import NO_WORD
from backlight.attribution.words import Word, joined, runs
from backlight.errors import InputError
from backlight_plots.input_values import InputValues


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
    values = one.values[example]
    if not one.input.tokens:
        ids = one.given(example)
        known = range(len(values)) if ids is None else ids.tolist()
        return runs(joined(values, list(map(str, known)), ()))
    texts, words = one.input.tokens[example], one.input.words[example]
    if tokens:
        words = tuple(NO_WORD if word == NO_WORD else at for at, word in enumerate(words))
    return runs(joined(values, texts, words))
