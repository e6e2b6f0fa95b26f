"""How cases are told in `study.json`: what the model says of each, and what techniques say."""

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from backlight.attribution.attribution import relative_gap
from backlight.errors import InputError
from backlight.evaluating.evaluation import plain_number
from backlight_pictures.maps import Reduction, reduction_of, resized, to_maps
from backlight_pictures.scale import Scale, scale_of
from backlight_study.answers import Answer, Answers, method_text
from backlight_study.case_input import (
    FeatureValues,
    coloured,
    described,
    feature_values,
    given_record,
)
from backlight_study.format import StudyRecord
from backlight_study.questions import Question
from backlight_study.result import Study, with_places
from backlight_study.tasks.task import Task


class CasePictures(Protocol):
    """Where the pictures of cases go; each call gives the path that the record tells."""

    def input(self, stem: str, stored: NDArray[Any]) -> str:
        """A stored example."""

    def map(
        self,
        stem: str,
        technique: str,
        question: Question,
        map: NDArray[np.float64],
        scale: Scale,
        notes: Mapping[str, str],
    ) -> str:
        """A map (H, W) on a scale; notes go into the file."""

    def scale(self, stem: str, technique: str, scale: Scale) -> str:
        """The colour bar of a scale."""


def case_id(task: Task, row: int, part: int) -> str:
    """By an example's row; and by the part of the answer, where there are several."""
    several = task.name != "classification" and len(task.classes) > 1
    return f"case-{row:06}" + (f"-{part}" if several else "")


def case_records(
    study: Study, pictures: CasePictures, most: int | None = None
) -> list[StudyRecord]:
    """One record for each case, or for the first ones, its techniques' answers among them."""
    found: list[StudyRecord] = []
    stop = None if most is None else most * len(study.cases.techniques)
    for place, number, answers in islice(study.each_answer(), stop):
        if number == 0:
            found.append(case_record(study, place, pictures))
        explanation = explanation_record(study, found[-1], place, number, answers, pictures)
        found[-1]["explanations"].append(explanation)
    return found


def case_record(study: Study, place: int, pictures: CasePictures) -> StudyRecord:
    """A case without what techniques say of it."""
    task, row, part = study.task, int(study.rows[place]), int(study.cases.parts[place])
    id = case_id(task, row, part)

    def neighbour(row: int, distance: float) -> StudyRecord:
        id = int(task.ids[row])
        (name,) = study.cases.source.names(id, id + 1)
        stored = study.cases.source.read(id, id + 1).x
        shown = input_record(study, f"example-{row:06}", "file", stored, pictures)
        about = task.beside(row, part)
        return {"row": row, "name": name, **about, "distance": distance, **shown}

    return {
        "id": id,
        "row": row,
        "name": study.names[place],
        "wrong": bool(study.wrong[place]),
        **task.case(row, part),
        "findings": [],
        **input_record(study, id, "input", study.cases.stored(np.array([place])), pictures),
        "neighbours": [neighbour(one.row, one.distance) for one in study.neighbours[place]],
        "explanations": [],
    }


def input_record(
    study: Study, stem: str, key: str, stored: NDArray[Any], pictures: CasePictures
) -> StudyRecord:
    """An example (1, ...): the path of its picture under this key; or none, and what was `given`."""
    if study.cases.kind == "picture":
        return {key: pictures.input(stem, stored[0])}
    return {key: None, "given": given_record(described(study.cases, stored))}


def explanation_record(
    study: Study,
    case: StudyRecord,
    place: int,
    number: int,
    answers: Answers[Question],
    pictures: CasePictures,
) -> StudyRecord:
    """What a technique says of a case."""
    technique = study.cases.techniques[number]
    record: StudyRecord = {
        "name": technique.name,
        "method": method_text(technique.method, study.cases.baseline),
        "at": technique.at,
        "limit": 0.0,
        "signed": True,
        "reduction": "sum",
        "scale": None,
        "error": answers.errors[0] or None,
        "targets": {},
    }
    asked: dict[Question, Answer] = {
        question: answer
        for question, answer in answers.questions.items()
        if question != "true" or case["wrong"]
    }
    if record["error"] is not None or not asked:
        return record
    picture = study.cases.kind == "picture"
    features: list[FeatureValues] = []
    reduction: Reduction = "sum"
    try:
        if picture:
            maps, reduction = drawn(study, [*asked.values()])
            scale = scale_of(maps)
        else:
            example = described(study.cases, study.cases.stored(np.array([place])))
            features = [feature_values(one, example) for one in asked.values()]
            maps = [one.values for one in features]
            scale = scale_of((coloured(one, case["given"]) for one in maps), percentile=100)
    except InputError as error:  # no map: values of another shape, or not finite
        return {**record, "error": str(error)}
    record |= {
        "at": next(iter(asked.values())).at or None,
        "limit": scale.limit,
        "signed": scale.signed,
        "reduction": reduction,
        "scale": pictures.scale(case["id"], technique.name, scale) if picture else None,
    }
    scores = study.cases.questions(np.array([place]))
    for turn, (question, answer) in enumerate(asked.items()):
        file, more = None, {}
        if picture:
            notes = {"method": record["method"], "target": repr(scores[question])}
            stem, map = case["id"], maps[turn]
            file = pictures.map(stem, technique.name, question, map, scale, notes)
        else:
            one = features[turn]
            more = {"values": one.values.tolist(), "padding": one.padding}
        record["targets"][question] = {
            **target_record(repr(scores[question]), answer, file),
            **more,
            "seed": getattr(technique.method, "seed", None),
            "seconds": round(answers.seconds / len(asked), 4),
        }
    return record


def drawn(study: Study, answers: Sequence[Answer]) -> tuple[list[NDArray[np.float64]], Reduction]:
    """The maps of answers about a case at the picture's places, and what became of channels."""
    places = [(one.values, with_places(one.layout)) for one in answers]
    ways = {reduction_of(*one) for one in places}
    reduction: Reduction = "mean" if ways == {"mean"} else "sum"
    return [resized(to_maps(*one, reduction), study.grid)[0] for one in places], reduction


def target_record(target: str, answer: Answer, file: str | None) -> StudyRecord:
    numbers = answer.numbers
    relative = relative_gap(numbers["gap"], numbers["score"], numbers["baseline_score"])
    return {
        "target": target,
        **{name: plain_number(float(column[0])) for name, column in numbers.items()},
        "relative_gap": plain_number(float(relative[0])),
        "warnings": list(answer.warnings[0]),
        "file": file,
    }
