"""What the techniques say of one example: for the predicted class, the true one, and the contrast."""

import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from backlight import Attribution, BacklightError, BacklightWarning, Model
from backlight.errors import InputError
from backlight_loading.techniques import Technique
from backlight_pictures.maps import Reduction, reduction_of, resized, to_maps
from backlight_pictures.scale import Scale, scale_of
from backlight_study.questions import Case, Question


@final
@dataclass(frozen=True, eq=False)
class Row:
    """One technique's answers for a case, on one scale; or why there is none.

    Attributes:
        technique: which.
        attributions: by question, each of this one example.
        maps: what is drawn of them, (H, W) each.
        scale: of all the maps of this row.
        reduction: how channels were brought to one number per place.
        error: what went wrong, if anything did; there are no maps then.
    """

    technique: Technique
    attributions: Mapping[Question, Attribution]
    maps: Mapping[Question, NDArray[np.float64]]
    scale: Scale
    reduction: Reduction
    error: str | None = None


def explain_case(
    model: Model,
    x: NDArray[Any],
    case: Case,
    techniques: Sequence[Technique],
    batch_size: int | None,
) -> Iterator[Row]:
    """A row for each technique.

    Args:
        model: the model.
        x: its input for this example alone, with the examples' axis.
        case: which classes to ask about.
        techniques: to ask.
        batch_size: most rows in one pass; None leaves it to the techniques.
    """
    for technique in techniques:
        try:
            row = explained(model, x, case, technique, batch_size)
        except BacklightError as error:
            row = failed(technique, str(error))
        except (Exception, SystemExit) as error:  # of a foreign technique or net; the others go on
            row = failed(technique, f"{type(error).__name__}: {' '.join(str(error).split())}")
        yield row


def explained(
    model: Model, x: NDArray[Any], case: Case, technique: Technique, batch_size: int | None
) -> Row:
    """One technique's answers to all questions."""
    asked = case.questions
    with warnings.catch_warnings():
        # They are in the attribution as well, and the report shows them.
        warnings.simplefilter("ignore", BacklightWarning)
        answers = technique.method(
            model, x, [*asked.values()], at=technique.at, batch_size=batch_size
        )
    found: dict[Question, Attribution] = dict(zip(asked, answers, strict=True))
    return drawn(technique, found, model, picture_grid(x, model))


def failed(technique: Technique, error: str) -> Row:
    return Row(technique, {}, {}, Scale(0, True), "sum", error)


def drawn(
    technique: Technique,
    found: Mapping[Question, Attribution],
    model: Model,
    grid: tuple[int, int],
) -> Row:
    """The maps of one technique's attributions, all on one scale."""
    arrays = {question: values_of(one) for question, one in found.items()}
    ways = {reduction_of(values, model.channels) for values in arrays.values()}
    reduction: Reduction = "mean" if ways == {"mean"} else "sum"
    maps = {
        question: resized(to_maps(values, model.channels, reduction), grid)[0]
        for question, values in arrays.items()
    }
    return Row(technique, found, maps, scale_of(maps.values()), reduction)


def values_of(attribution: Attribution) -> NDArray[Any]:
    values = attribution.numpy()
    if not isinstance(values, np.ndarray) or values.ndim not in (3, 4):
        seen = values.shape if isinstance(values, np.ndarray) else type(values).__name__
        raise InputError(f"{attribution.method} gave values that are no map: {seen}.")
    return values


def picture_grid(x: NDArray[Any], model: Model) -> tuple[int, int]:
    """Height and width of an input (1, H, W), (1, C, H, W) or (1, H, W, C)."""
    height, width = to_maps(np.zeros_like(x), model.channels).shape[1:]
    return int(height), int(width)


def probable(probabilities: NDArray[np.float64], most: int = 5) -> list[tuple[int, float]]:
    """The most probable classes with their probabilities, the highest first."""
    order = np.argsort(-probabilities, kind="stable")[:most]
    return [(int(k), float(probabilities[k])) for k in order]
