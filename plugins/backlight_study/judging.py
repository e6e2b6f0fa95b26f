"""Which maps to believe, and what the mistakes have in common: a study's cases handed to metrics and
finders."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import final

import numpy as np
from numpy.typing import NDArray

from backlight import Evaluation, Metric
from backlight.errors import HyperParameterError, UnknownNameError, reason
from backlight.progress import Progress, silent
from backlight_findings import Finding, Studied, find
from backlight_study.explaining import Forecast, read_ids
from backlight_study.masks import MasksGiven, case_masks
from backlight_study.measuring import asked, evaluation, mapping
from backlight_study.passes import Passes
from backlight_study.result import Study

MOST_NUMBERS = 2**26
"""How many numbers of maps finders get at most: larger maps are handed over smaller."""


@final
@dataclass(frozen=True, eq=False)
class Judgement:
    """What was made of a study's cases.

    Attributes:
        evaluation: metrics of the techniques beside controls, over the misclassified cases; None where
            there are none, or no metrics were asked for.
        findings: what mistakes have in common, the most severe first.
        failed: finders that failed, and metrics as a whole, with the reason.
        passes: examples that went through the model for metrics, in this run.
        foreseen: what was forecast of that before.
        notes: what should be known of the masks.
    """

    evaluation: Evaluation | None
    findings: tuple[Finding, ...] = ()
    failed: tuple[str, ...] = ()
    passes: Passes = field(default_factory=Passes)
    foreseen: Forecast = field(default_factory=Forecast)
    notes: tuple[str, ...] = ()


def judge(
    study: Study,
    metrics: Sequence[str | Metric] | None = None,
    masks: MasksGiven | None = None,
    progress: Progress = silent,
) -> Judgement:
    """Judge the maps of a study, and look for what its mistakes share.

    Metrics are computed block by block and written down beside the maps, so that the same call goes on
    where one was killed.

    Args:
        metrics: by name or with their hyper-parameters; an empty list leaves them out. Where nothing is
            said, SRG, and for classifiers decision flip.
        masks: where the object is in each of the data's examples, (N, H, W), at the places of the stored
            pictures or of the model's input; or the path of such an array, or of a folder of pictures.
        progress: called with what is being done, how many examples went through the model for it, and
            how many will.

    Raises:
        InputError: masks that do not fit.
    """
    inside: NDArray[np.bool_] | None = None
    notes: tuple[str, ...] = ()
    if masks is not None and len(study.rows):
        inside, notes = case_masks(study, masks)
    findings: list[Finding] = []
    failed: list[str] = []
    if study.task.name == "classification":  # finders look at classes
        findings, failed = find(studied(study, contrast_maps(study), inside))
    found, passes, foreseen = None, Passes(), Forecast()
    said = study.task.metrics if metrics is None else metrics
    try:
        found, passes, foreseen = evaluation(study, said, inside, progress)
    except (HyperParameterError, UnknownNameError):
        raise  # of what the user said
    except (Exception, SystemExit) as error:  # of a foreign net or metric; the maps are there
        failed.append(f"metrics: {reason(error)}")
    return Judgement(found, tuple(findings), tuple(failed), passes, foreseen, notes)


def contrast_maps(study: Study) -> dict[tuple[str, str], NDArray[np.float64]]:
    """The maps of each technique that has any, (cases, H, W)."""
    if not len(study.rows):
        return {}
    stride, question = stride_of(study), asked(study)
    return {
        (name, question): smaller(study.maps(name, question), stride) for name in mapping(study)
    }


def stride_of(study: Study) -> int:
    """How many places along each side finders see as one."""
    height, width = study.grid
    numbers = len(study.rows) * height * width * len(study.cases.techniques)
    return max(1, int(np.ceil(np.sqrt(numbers / MOST_NUMBERS))))


def smaller(maps: NDArray[np.float64], stride: int) -> NDArray[np.float64]:
    """Maps whose numbers are means over so many by so many places; places left over are cut off."""
    count, height, width = maps.shape
    rows, columns = max(1, height // stride), max(1, width // stride)
    cut = maps[:, : rows * min(stride, height), : columns * min(stride, width)]
    return np.asarray(cut.reshape(count, rows, -1, columns, cut.shape[2] // columns).mean((2, 4)))


def studied(
    study: Study,
    maps: Mapping[tuple[str, str], NDArray[np.float64]],
    masks: NDArray[np.bool_] | None,
) -> Studied:
    """The study as finders see it.

    Args:
        masks: of the cases, (cases, H, W).
    """
    found, source = study.predictions, study.cases.source
    every = None
    if masks is not None and maps:
        height, width = next(iter(maps.values())).shape[1:]
        # It takes room only where it is written.
        every = np.zeros((len(found.ids), height, width), dtype=np.bool_)
        every[study.rows] = smaller(masks.astype(np.float64), stride_of(study)) >= 0.5
    names = source.names(0, len(source))
    return Studied(
        found.labels,
        found.probabilities,
        found.classes,
        study.classes,
        [names[id] for id in found.ids.tolist()],
        study.metadata,
        lambda rows: read_ids(source, found.ids[np.asarray(rows, dtype=np.int64)]),
        study.rows.tolist(),
        maps,
        every,
        study.selection.choice.seed,
    )
