"""A text whose words are coloured by their values."""

import unicodedata
from collections.abc import Sequence
from html import escape
from typing import Any

from numpy.typing import NDArray

from backlight.attribution.words import Word, joined, runs
from backlight_pictures.fragments.tint import tint
from backlight_pictures.scale import Scale, number

CLOSING, OPENING, JOINING = (
    ".,;:!?%)]}\N{HORIZONTAL ELLIPSIS}",
    "([{",
    "'\N{RIGHT SINGLE QUOTATION MARK}",
)
"""Marks without a space before them, without one behind them, and without either."""

UNSPACED = ("CJK", "HIRAGANA", "KATAKANA", "THAI", "LAO", "KHMER", "MYANMAR")
"""How Unicode names the letters of scripts that have no spaces between words."""


def tokens(values: NDArray[Any], tokens: Sequence[str], words: Sequence[int], scale: Scale) -> str:
    """A text in its own spacing, as far as its tokens tell: a space between words, none before a mark
    that closes, nor in scripts without. A word's value, and of what it is the sum, is seen when it is
    pointed at. Special tokens and padding stand apart; a run of one is drawn once, with how many.

    Args:
        values: (L,), finite.
        tokens, words: as of `joined`.
        scale: of the values of the words, as `joined` sums them.
    """
    found = runs(joined(values, tokens, words))
    pieces = []
    for before, word in zip((None, *found), found, strict=False):
        space = " " if before is not None and spaced(before, word) else ""
        pieces.append(space + drawn(word, scale))
    return f'<div class="tokens" dir="auto">{"".join(pieces)}</div>'


def strongest(words: Sequence[Word], count: int = 4) -> str:
    """The words that speak most for the score and most against it, with their values: what is still read
    where a host takes colours away.

    Args:
        words: as of `joined`; those that stand apart are left out.
        count: how many to either side at most.
    """
    own = sorted((word for word in words if not word.apart), key=lambda word: -word.value)
    sides = (
        ("for", [word for word in own if word.value > 0][:count]),
        ("against", [word for word in reversed(own) if word.value < 0][:count]),
    )
    told = [
        f"most {side}: {', '.join(f'“{escape(word.text)}” {number(word.value)}' for word in found)}"
        for side, found in sides
        if found
    ]
    return f'<div class="soft">{"; ".join(told)}</div>' if told else ""


def drawn(word: Word, scale: Scale) -> str:
    colour = tint(word.value, scale)
    if word.apart:
        # A direction of its own, so that the text's is not told by it.
        text = f'<span class="apart" dir="ltr">{escape(word.text)}</span>'
        return f'<span{colour} title="{number(word.value)}">{text}</span>'
    title = number(word.value)
    if len(word.parts) > 1:
        pairs = zip(word.parts, word.values, strict=True)
        title += " = " + ", ".join(f"{part} {number(value)}" for part, value in pairs)
    return f'<span{colour} title="{escape(title)}">{escape(word.text)}</span>'


def spaced(before: Word, after: Word) -> bool:
    """Whether there is a space between two words."""
    left, right = before.text[-1:], after.text[:1]
    if before.apart or after.apart:
        return True
    if not left or not right or left.isspace() or right.isspace():
        return False
    if right in CLOSING + JOINING or left in OPENING + JOINING:
        return False
    return not (unspaced(left) and unspaced(right))


def unspaced(letter: str) -> bool:
    return unicodedata.name(letter, "").startswith(UNSPACED)
