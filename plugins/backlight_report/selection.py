"""Which examples the report explains, in an order that is always the same."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, final

import numpy as np

from backlight.errors import HyperParameterError, UnknownNameError
from backlight_report.predictions import Predictions

Only: TypeAlias = Literal["misclassified", "correct", "all"]

ORDER = "wrong before right, and the most confident first"


@final
@dataclass(frozen=True)
class Selection:
    """What was asked for, and the rows that are explained.

    Attributes:
        only: which examples.
        true, predicted: of this true and this predicted class only, where they are said.
        limit: at most so many.
        found: how many examples fit before the limit.
        rows: the examples' numbers.
    """

    only: Only
    true: int | None
    predicted: int | None
    limit: int
    found: int
    rows: tuple[int, ...]


def select(
    predictions: Predictions,
    only: Only | None,
    true: int | None,
    predicted: int | None,
    limit: int,
) -> Selection:
    """Choose examples: wrong before right, and the most confident first.

    `only` is "misclassified" unless it is said or one cell of the confusion matrix is asked for.
    """
    if limit < 1:
        raise HyperParameterError(f"limit must be at least 1, got {limit}.")
    whole_cell = true is not None and predicted is not None
    asked: Only = only or ("all" if whole_cell else "misclassified")
    if asked not in ("misclassified", "correct", "all"):
        raise HyperParameterError(f"only must be misclassified, correct or all, got {asked!r}.")
    wrong = predictions.classes != predictions.labels
    fits = {"misclassified": wrong, "correct": ~wrong, "all": np.ones_like(wrong)}[asked]
    if true is not None:
        fits = fits & (predictions.labels == true)
    if predicted is not None:
        fits = fits & (predictions.classes == predicted)
    confidence = predictions.probabilities.max(axis=1)
    rows = np.flatnonzero(fits)
    order = np.lexsort((rows, -confidence[rows], ~wrong[rows]))
    chosen = tuple(rows[order][:limit].tolist())
    return Selection(asked, true, predicted, limit, len(rows), chosen)


def class_number(said: str | int | None, classes: Sequence[str]) -> int | None:
    """A class by its name, by the first of its synonyms ("tabby" of "tabby, tabby cat") or by number.

    Raises:
        UnknownNameError: no such class, with the nearest names.
    """
    if said is None:
        return None
    text = str(said).strip()
    folded = [name.casefold() for name in classes]
    if text.casefold() in folded:
        return folded.index(text.casefold())
    first = [name.partition(",")[0].strip() for name in folded]
    if first.count(text.casefold()) == 1:
        return first.index(text.casefold())
    if text.isdecimal() and int(text) < len(classes):
        return int(text)
    raise UnknownNameError("class", said, classes, f"Or a number from 0 to {len(classes) - 1}.")
