"""What the cells of a table's columns hold: numbers, truth values or words."""

import re
from collections.abc import Mapping, Sequence
from itertools import zip_longest
from typing import TypeAlias, final

from backlight.errors import InputError, shown
from backlight_datasets.class_names import is_number

Cell: TypeAlias = float | int | bool | str
"""A cell as it is read; NaN where it is empty."""

EMPTY = ("", "NA", "N/A", "n/a", "NaN", "nan", "NULL", "null", "None", "<NA>")
"""Cells that hold nothing, as pandas reads them."""
TRUTHS = {"true": True, "false": False}
DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+")
FEW = 3
"""How many words are shown."""


@final
class ColumnCells:
    """What the cells of one column hold, counted as they come.

    A column is of numbers if all cells that are not empty are, whole ones if these are; of truth values
    if all are true or false, in any case; else of words.
    """

    def __init__(self) -> None:
        self._given = self._odd = 0
        self._whole = self._truths = self._commas = True
        self.words: list[str] = []
        """The first different cells that are no numbers, at most three."""

    def add(self, text: str) -> None:
        if text in EMPTY:
            self._whole = False  # as NaN is no whole number
            return
        self._given += 1
        self._truths &= text.lower() in TRUTHS
        if is_number(text):
            self._whole &= text.lstrip("+-").isdecimal()
            return
        self._odd += 1
        self._commas &= DECIMAL_COMMA.fullmatch(text) is not None
        if len(self.words) < FEW and text not in self.words:
            self.words.append(text)

    @property
    def of_numbers(self) -> bool:
        return not self._odd

    @property
    def of_words(self) -> bool:
        """Whether most cells are no numbers: a few of them would be mistakes in a column of numbers."""
        return 2 * self._odd > self._given

    @property
    def decimal_commas(self) -> bool:
        """Whether what is no number has a comma for its point."""
        return self._odd > 0 and self._commas

    def cell(self, text: str) -> Cell:
        """A cell of this column as it is meant."""
        if text in EMPTY:
            return float("nan")
        if self.of_numbers:
            return int(text) if self._whole else float(text)
        return TRUTHS[text.lower()] if self._truths else text


def refuse_words(words: Mapping[str, Sequence[str]], where: str) -> None:
    """Raise InputError for columns that hold words where nobody said how these become numbers.

    Args:
        words: some of each such column, by its name.
        where: they are, for the message.
    """
    if not words:
        return
    # One of each column before a second one of any.
    some = [word for each in zip_longest(*words.values()) for word in each if word is not None][
        :FEW
    ]
    one = len(words) == 1
    raise InputError(
        f"The column{'' if one else 's'} {', '.join(words)} of {where} hold{'s' if one else ''} words, "
        f"such as {', '.join(map(shown, some))}. Say what makes numbers of a row's words, --encoder "
        "MODULE:NAME (encoder= in Python); which column holds the labels, --label COLUMN; or which ones "
        "the model takes, --x COLUMN."
    )


def refuse_decimal_commas(columns: Mapping[str, ColumnCells], where: str) -> None:
    """Raise InputError for numbers that have a comma for their point."""
    for name, cells in columns.items():
        if cells.decimal_commas:
            raise InputError(
                f"The column {name} of {where} has decimal commas, such as {shown(cells.words[0])}: "
                "write numbers with a point, 3.5, as spreadsheets do whose language is English."
            )
