"""Which examples the report explains, in an order that is always the same."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, final

import numpy as np

from backlight.errors import HyperParameterError, InputError, UnknownNameError
from backlight_loading.names import listed, named
from backlight_study.predictions import Predictions

Only: TypeAlias = Literal["misclassified", "correct", "all"]

ORDER = "wrong before right, and the most confident first"


@final
@dataclass(frozen=True)
class Selection:
    """What was asked for, and the rows that are explained.

    Attributes:
        only: which examples.
        true, predicted: of one of these true and of one of these predicted classes only, where any
            are said.
        limit: at most so many.
        found: how many examples fit before the limit.
        rows: the examples' numbers.
    """

    only: Only
    true: tuple[int, ...]
    predicted: tuple[int, ...]
    limit: int
    found: int
    rows: tuple[int, ...]


def select(
    predictions: Predictions,
    only: Only | None,
    true: Sequence[int],
    predicted: Sequence[int],
    limit: int,
) -> Selection:
    """Choose examples: wrong before right, and the most confident first.

    `only` is "misclassified" unless it is said, or cells of the confusion matrix are asked for by true
    and predicted classes.
    """
    if limit < 1:
        raise HyperParameterError(f"limit must be at least 1, got {limit}.")
    asked: Only = only or ("all" if len(true) and len(predicted) else "misclassified")
    if asked not in ("misclassified", "correct", "all"):
        raise HyperParameterError(f"only must be misclassified, correct or all, got {asked!r}.")
    wrong = predictions.classes != predictions.labels
    fits = {"misclassified": wrong, "correct": ~wrong, "all": np.ones_like(wrong)}[asked]
    if len(true):
        fits = fits & np.isin(predictions.labels, true)
    if len(predicted):
        fits = fits & np.isin(predictions.classes, predicted)
    confidence = predictions.probabilities.max(axis=1)
    rows = np.flatnonzero(fits)
    order = np.lexsort((rows, -confidence[rows], ~wrong[rows]))
    chosen = tuple(rows[order][:limit].tolist())
    return Selection(asked, tuple(true), tuple(predicted), limit, len(rows), chosen)


Said: TypeAlias = str | int | Sequence[str | int] | None
"""One class or several, each by name or number."""


def class_numbers(said: Said, classes: Sequence[str]) -> tuple[int, ...]:
    """The numbers of these classes, each once; none where nothing is said."""
    given = () if said is None else (said,) if isinstance(said, str | int) else said
    return tuple(dict.fromkeys(class_number(one, classes) for one in given))


def class_number(said: str | int, classes: Sequence[str]) -> int:
    """A class by its name, by the first of its synonyms ("tabby" of "tabby, tabby cat") or by number.

    Raises:
        UnknownNameError: no such class, with the nearest names.
        InputError: several classes of this name.
    """
    text = str(said).strip()
    found = named(text.casefold(), [name.casefold() for name in classes])
    if len(found) > 1:
        raise InputError(
            f"The classes {listed(found)} are all called {text!r}: say the number of the one you mean."
        )
    if found:
        return found[0]
    if text.isdecimal() and int(text) < len(classes):
        return int(text)
    raise UnknownNameError("class", said, classes, f"Or a number from 0 to {len(classes) - 1}.")
