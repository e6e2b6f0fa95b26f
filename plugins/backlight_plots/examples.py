"""Which examples of an attribution a plot is of."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from backlight import Attribution
from backlight.errors import InputError, UnknownNameError, shown
from backlight_plots.labels import class_name


def rows_of(attribution: Attribution[Any], of_class: int | str | None) -> NDArray[np.int64]:
    """The examples whose explained class is this one; all for None.

    Raises:
        InputError: it is not known which classes were explained, or none is this one.
        UnknownNameError: no class has this name.
    """
    if of_class is None:
        return np.arange(len(attribution.score))
    names = attribution.class_names or ()
    if attribution.classes is None:
        raise InputError(f"{attribution.target} explains no classes: leave of_class out.")
    if isinstance(of_class, str) and of_class not in names:
        raise UnknownNameError("class", of_class, names)
    wanted = names.index(of_class) if isinstance(of_class, str) else of_class
    found = np.flatnonzero(attribution.classes == wanted)
    if not len(found):
        there = sorted({int(k) for k in attribution.classes})
        raise InputError(
            f"Class {shown(of_class)} was explained for no example; those are {there}."
        )
    return found


def count_title(attribution: Attribution[Any], rows: NDArray[np.int64]) -> str:
    """How many examples there are, and which class was explained where it is one alone."""
    told = f"{len(rows):,} example{'s' if len(rows) != 1 else ''}"
    if attribution.classes is None:
        return f"{told}, {attribution.target}"
    own = {int(k) for k in attribution.classes[rows]}
    if len(own) > 1:
        return f"{told}, each for its own class"
    return f"{told}, {class_name(own.pop(), attribution.class_names)}"
