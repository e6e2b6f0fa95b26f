"""What a technique says of a case that is no picture: words, columns or moments with their colours."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backlight_pictures.fragments.series import line
from backlight_pictures.fragments.table import bars
from backlight_pictures.fragments.text import tokens
from backlight_pictures.scale import Scale
from backlight_study.format import StudyRecord


def fragment(
    target: StudyRecord, row: StudyRecord, case: StudyRecord, input: StudyRecord
) -> str | None:
    """The HTML of a target's values; None where it has a picture instead.

    Args:
        target: of the row.
        row: what a technique says of the case.
        input: what the record says of examples: their `kind`, and `names` of columns or channels.
    """
    if target.get("values") is None:
        return None
    given, names = case["given"], input["names"]
    values = np.array(target["values"], dtype=np.float64)
    scale = Scale(row["limit"], row["signed"])
    match input["kind"]:
        case "text":
            return tokens(values, given["tokens"], given["words"], scale)
        case "table":
            named = names if len(names) == len(values) else ()
            return bars(values, named, cells(given), scale)
        case _:
            held = numbers(given)
            count = 1 if held is None else len(held)
            return line(values[None], held, names if len(names) == count else (), scale)


def cells(given: Mapping[str, Any]) -> NDArray[Any] | None:
    """The numbers and words of a row, "" where one is missing; None where they are left out."""
    stored = given.get("values")
    if stored is None:
        return None
    return np.array(["" if one is None else one for one in stored], dtype=object)


def numbers(given: Mapping[str, Any]) -> NDArray[Any] | None:
    """The numbers of a series, NaN where one is missing; None where they are left out."""
    stored = given.get("values")
    return None if stored is None else np.array(stored, dtype=np.float64)
