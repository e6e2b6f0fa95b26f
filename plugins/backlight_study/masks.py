"""Masks of a study's cases, at the places of the model's input."""

import os
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from backlight_datasets import Source
from backlight_loading.masks import (
    Fitting,
    Masks,
    check_count,
    open_masks,
    read_masks,
    without_mask,
)
from backlight_study.result import Study

MasksGiven: TypeAlias = NDArray[Any] | str | os.PathLike[str] | Masks
"""One for each example, (N, H, W); or where they are, see `backlight_loading.masks.open_masks`."""


def opened(given: MasksGiven, data: object = None) -> Masks:
    """Masks that a user names.

    Raises:
        InputError: there are none, or not one for each example of a source.
    """
    found = given if isinstance(given, Masks) else open_masks(given)
    if isinstance(data, Source):
        check_count(found, len(data))
    return found


def case_masks(study: Study, given: MasksGiven) -> tuple[NDArray[np.bool_], tuple[str, ...]]:
    """The masks of the cases, (cases, H, W), and a sentence about those without one.

    Raises:
        InputError: there are not as many as examples, or one does not fit.
    """
    # Here and not above: what reads no pictures needs no Pillow.
    from backlight_datasets.folder import FolderSource

    cases = study.cases
    source, masks = cases.source, opened(given, cases.source)
    fitting = Fitting(
        cases.shape,
        cases.dtype,
        cases.ends,
        cases.prepared,
        study.grid,
        cases.model.channels,
        source.own_size if isinstance(source, FolderSource) else None,
    )
    ids = study.task.ids[study.rows].tolist()
    found, lacking = read_masks(masks, ids, study.names, fitting)
    return found, (without_mask(lacking, len(ids)),) if lacking else ()
