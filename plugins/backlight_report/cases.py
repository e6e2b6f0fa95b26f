"""From chosen examples to records for the results, their pictures written on the way."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backlight.errors import InputError
from backlight_loading.techniques import Technique
from backlight_report.explanations import Row, explain_case
from backlight_report.pictures import PictureFiles, plain, shown
from backlight_report.results import Record, case_record, row_record
from backlight_study.evaluation import Evaluation
from backlight_study.predictions import Progress
from backlight_study.questions import Question, case_of


def explain_cases(
    evaluation: Evaluation,
    rows: Sequence[int],
    techniques: Sequence[Technique],
    pictures: PictureFiles,
    batch_size: int | None,
    progress: Progress,
) -> list[Record]:
    """Explain each of these examples by each technique.

    Raises:
        InputError: no technique could explain any of them.
    """
    stored = np.asarray(evaluation.examples.x)
    ends = extremes(stored[list(rows)])
    done, total = 0, len(rows) * len(techniques)
    records = []
    for place, row in enumerate(rows, start=1):
        case = case_of(evaluation.predictions, row)
        picture = shown(stored[row], evaluation.model.channels, ends)
        stem = (
            f"case-{place:02d}-{plain(evaluation.name(row).rpartition('/')[2].partition('.')[0])}"
        )
        record = case_record(
            case,
            evaluation.name(row),
            evaluation.classes,
            evaluation.predictions,
            pictures.input(stem, picture),
        )
        records.append(record)
        progress("Explaining", done, total)
        x = evaluation.prepared(stored[row : row + 1])
        for answer in explain_case(evaluation.model, x, case, techniques, batch_size):
            record["explanations"].append(row_of(answer, stem, picture, pictures))
            done += 1
            progress("Explaining", done, total)
    answers = [answer for record in records for answer in record["explanations"]]
    if answers and all(answer["error"] for answer in answers):
        raise InputError(f"No technique could explain any picture: {answers[0]['error']}")
    return records


def row_of(row: Row, stem: str, picture: NDArray[np.uint8], pictures: PictureFiles) -> Record:
    if row.error is not None:
        return row_record(row, {}, None)
    files: dict[Question, str] = {
        question: pictures.map(stem, row, question, picture) for question in row.maps
    }
    return row_record(row, files, pictures.bar(stem, row))


def extremes(stored: NDArray[Any]) -> tuple[float, float]:
    """The lowest and the highest value, drawn black and white where bytes are not stored."""
    return (float(stored.min()), float(stored.max())) if stored.size else (0.0, 1.0)
