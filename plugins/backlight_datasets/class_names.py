"""Labels of a table's column: numbers, or the names of classes."""

from array import array
from collections.abc import Sequence
from math import isnan
from typing import final

import numpy as np

from backlight import Examples
from backlight.errors import InputError, shown
from backlight.values.examples import UNKNOWN, Labels
from backlight_loading.examples import renamed

MOST = 65_536
"""How many classes with names there may be."""


@final
class LabelColumn:
    """Labels as texts, collected in 16 bytes each.

    An empty text, or nan, is a label that is not known. If all others are whole numbers they are
    classes; if all are numbers, they are numbers that a model is to give; else they are names of classes,
    which are numbered in sorted order.
    """

    def __init__(self) -> None:
        self._numbers = array("d")
        self._codes = array("q")
        self._texts: dict[str, int] = {}
        self._whole = self._numeric = True

    def add(self, text: str) -> None:
        text = text.strip()
        code = self._texts.get(text)
        if code is None:
            code = len(self._texts) if len(self._texts) <= MOST else MOST
            if code < MOST:
                self._texts[text] = code
        self._codes.append(code)
        try:
            number = float(text or "nan")
        except ValueError:
            number, self._numeric = float("nan"), False
        self._whole &= isnan(number) or (number.is_integer() and text.lstrip("+-").isdecimal())
        self._numbers.append(number)

    def labels(self, classes: Sequence[str], where: str) -> tuple[Labels, tuple[str, ...]]:
        """The labels, and the classes' names in their order.

        Args:
            classes: all classes in the model's order, where the column's own have another.

        Raises:
            InputError: there are too many different ones to be names of classes; or see `renamed`.
        """
        numbers = np.array(self._numbers, dtype=np.float64)
        names: tuple[str, ...] = ()
        if not self._numeric:
            if len(self._texts) >= MOST:
                odd = next(text for text in self._texts if not is_number(text))
                raise InputError(
                    f"Labels of {where} are numbers, or names of fewer than {MOST:,} classes; there are "
                    f"more different ones, and one is {shown(odd)}."
                )
            names = tuple(sorted(text for text in self._texts if text))
            places = np.array([names.index(text) if text else UNKNOWN for text in self._texts])
            found: Labels = places[np.array(self._codes)].astype(np.int64)
        elif self._whole:
            found = np.where(np.isnan(numbers), UNKNOWN, numbers).astype(np.int64)
        else:
            found = numbers
        return in_classes(found, names, classes, where)


def in_classes(
    labels: Labels, names: Sequence[str], classes: Sequence[str], where: str
) -> tuple[Labels, tuple[str, ...]]:
    """Labels, and the names of their classes, in the model's order of `classes`; see `renamed`."""
    # Labels can be renamed without the examples.
    alone = Examples(np.empty((len(labels), 0)), labels, names)
    known = renamed(alone, tuple(classes), where)
    return known.labels, tuple(known.classes)


def is_number(text: str) -> bool:
    """Whether a cell holds a number, or nothing."""
    try:
        float(text or "nan")
    except ValueError:
        return False
    return True
