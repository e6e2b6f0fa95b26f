"""From what users name, classes and examples, to what a `Choice` says by number."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backlight.errors import UnknownNameError
from backlight_datasets import Source
from backlight_study.cells import Said, cells, class_numbers, part_cells
from backlight_study.tasks.deciding import TYPES
from backlight_study.tasks.task import TaskName


def named_by(
    task: TaskName,
    classes: Sequence[str],
    cell: str | Sequence[str],
    true: Said,
    predicted: Said,
) -> dict[str, Any]:
    """The fields of a `Choice` that users say by names of classes, labels or numbers.

    Raises:
        InputError, UnknownNameError: no such class, label or number, or no such cell.
    """
    kinds = TYPES[task].kinds
    return {
        "cells": () if kinds else cells(cell, classes),
        "part_cells": part_cells(cell, classes, kinds) if kinds else (),
        "true": class_numbers(true, classes),
        "predicted": class_numbers(predicted, classes),
    }


def rows_of(source: Source, ids: NDArray[np.int64], said: Sequence[str | int]) -> tuple[int, ...]:
    """Examples by name or number, as places among those that could be read, which have these ids.

    Raises:
        UnknownNameError: no such example; or it could not be read.
    """
    known = dict(zip(source.names(0, len(source)), range(len(source)), strict=True))
    found = []
    for one in said:
        id = one if isinstance(one, int) else known.get(one)
        if id is None and str(one).isdecimal():
            id = int(one)
        place = np.searchsorted(ids, -1 if id is None else id)
        if id is None or place == len(ids) or ids[place] != id:
            raise UnknownNameError("example that was read", str(one), list(known)[:10_000])
        found.append(int(place))
    return tuple(dict.fromkeys(found))
