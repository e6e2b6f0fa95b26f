"""Masks of a study's cases, at the places of the model's input."""

from typing import cast

import numpy as np
from numpy.typing import NDArray

from backlight.errors import InputError
from backlight_datasets.folder import FolderSource
from backlight_loading.mask_fitting import Fitting, fitted_masks, without_mask
from backlight_loading.masks import MasksGiven, open_masks
from backlight_loading.preparation import Prepared
from backlight_study.result import Study


def case_masks(study: Study, given: MasksGiven) -> tuple[NDArray[np.bool_], tuple[str, ...]]:
    """The masks of the cases, (cases, H, W), and a sentence about those without one.

    Raises:
        InputError: there are not as many as examples, one does not fit, or these are no pictures.
    """
    cases = study.cases
    if cases.kind != "picture":
        raise InputError(f"Masks are of pictures, and the examples are of the kind {cases.kind}.")
    source, masks = cases.source, open_masks(given, len(cases.source))
    fitting = Fitting(
        cases.shape,
        cases.dtype,
        cases.ends,
        cast(Prepared, cases.prepared),
        study.grid,
        cases.model.channels,
        source.own_size if isinstance(source, FolderSource) else None,
    )
    ids = study.task.ids[study.rows].tolist()
    found, lacking = fitted_masks(masks, ids, study.names, fitting)
    return found, (without_mask(lacking, len(ids)),) if lacking else ()
