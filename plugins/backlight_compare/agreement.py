"""How alike maps of two models are, for the same score of both."""

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backlight import BacklightWarning, Score
from backlight.errors import BacklightError, reason
from backlight_compare.result import Agreement
from backlight_compare.side import Side
from backlight_loading.techniques import Technique
from backlight_study.predictions import Predictions
from backlight_study.questions import rivals, targets

SOFTMAX = ("probabilities", "log_probabilities")


def scores_of(one: Predictions, other: Predictions, rows: NDArray[np.int64]) -> list[Score]:
    """What is explained of both models, in one quantity: the logit of the first one's class; or, where
    one tells logits but for what all classes share and the other does not, how far that class is before
    the next one (the true one, where it is wrong)."""
    classes, rival = one.classes[rows], rivals(one, rows)
    alike = (one.kind in SOFTMAX, one.single) == (other.kind in SOFTMAX, other.single)
    asked = [targets(classes, rival, each.kind, each.single, each.path) for each in (one, other)]
    return [each["predicted" if alike or "contrast" not in each else "contrast"] for each in asked]


def agreement(
    technique: Technique,
    sides: Sequence[Side],
    stored: NDArray[Any],
    asked: Sequence[Score],
) -> Agreement:
    """How alike a technique's maps of both models are."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", BacklightWarning)
            maps = [
                side.maps(technique, stored, score).reshape(len(stored), -1)
                for side, score in zip(sides, asked, strict=True)
            ]
    except BacklightError as error:
        return Agreement(technique.name, float("nan"), float("inf"), reason(error))
    one, other = maps
    if one.shape != other.shape:
        said = f"maps of {one.shape[1]} and {other.shape[1]} numbers cannot be compared"
        return Agreement(technique.name, float("nan"), float("inf"), said)
    size = np.abs(one).max(axis=1)
    off = np.abs(one - other).max(axis=1) / np.where(size > 0, size, 1.0)
    centred = [each - each.mean(axis=1, keepdims=True) for each in maps]
    norms = np.linalg.norm(centred[0], axis=1) * np.linalg.norm(centred[1], axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        alike = (centred[0] * centred[1]).sum(axis=1) / norms
    mean = float(np.nanmean(alike)) if norms.any() else float("nan")
    return Agreement(technique.name, mean, float(off.max()))
