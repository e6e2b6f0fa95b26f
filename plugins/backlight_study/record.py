"""`study.json`: all of a study's numbers, for programs and for the page."""

import json
import platform
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from backlight import __version__
from backlight.values.tree import leaves
from backlight_loading.names import all_legible
from backlight_loading.techniques import sentence
from backlight_study.answers import method_text
from backlight_study.case_record import CasePictures, case_records
from backlight_study.format import FORMAT, StudyRecord
from backlight_study.judgement_record import findings_record, metrics_record
from backlight_study.judging import Judgement
from backlight_study.mistaken_features import mistaken_features
from backlight_study.order_record import order_sentences
from backlight_study.reading import reading
from backlight_study.result import Study
from backlight_study.summary import summary_record
from backlight_study.tasks.task import Task


class Pictures(CasePictures, Protocol):
    """Where all of a record's pictures go."""

    def finding(self, stem: str, map: NDArray[np.float64]) -> str:
        """A map (H, W) that belongs to a finding, on a scale of its own."""


def study_record(
    study: Study, judgement: Judgement, pictures: Pictures, about: Mapping[str, Any]
) -> StudyRecord:
    """The record of a study, its pictures written on the way.

    Args:
        about: what the study does not know: `model`, `data` (name and reading), `call` and `notes`, by
            the names that they have in the record.
    """
    model, task = study.cases.model, study.task
    found, classes = task.replies, list(study.classes)
    choice = study.selection.choice
    stored = study.cases.source.read(int(found.ids[0]), int(found.ids[0]) + 1).x
    first = leaves(study.cases.prepared(stored))[0]
    record = {
        "format": FORMAT,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": {
            "backlight": __version__,
            "python": platform.python_version(),
            "numpy": np.__version__,
            model.framework: model.version,
        },
        "framework": model.framework,
        "task": task.name,
        "model": about["model"],
        "notes": list(about.get("notes", ())),
        "data": {
            **about["data"],
            "count": len(found.ids),
            "skipped": [*study.cases.source.left_out, *found.skipped],
            "fingerprint": study.store.plan.data,
        },
        "preprocessing": study.store.plan.options["preprocessing"],
        "input": {
            "shape": list(first.shape[1:]),
            "dtype": str(first.dtype),
            "kind": study.cases.kind,
            "names": list(study.cases.features),
        },
        "baseline": study.cases.baseline,
        "near": None if study.space is None else study.space.site,
        **task.record(),
        "quantity": task.quantity(),
        "classes": classes,
        "fingerprints": {"model": study.store.plan.model, "data": study.store.plan.data},
        "seed": choice.seed,
        "call": about["call"],
        "seconds": round(study.seconds, 2),
        "passes": {
            "forward": study.passes.forward,
            "backward": study.passes.backward,
            "predicted_forward": study.foreseen.passes.forward,
            "predicted_backward": study.foreseen.passes.backward,
            "metrics_forward": judgement.passes.forward,
            "metrics_predicted_forward": judgement.foreseen.passes.forward,
            "metrics_not_predicted": list(judgement.foreseen.unknown),
        },
        **figures(task),
        "selection": {
            "rule": study.rule,
            "cells": [
                *(cell.named(classes) for cell in choice.cells),
                *(cell.named(classes) for cell in choice.part_cells),
            ],
            "order": choice.order,
            "limit": choice.limit,
            "found": study.selection.found,
            "left_out": study.selection.left_out,
            "right": len(study.selection.right),
            "seed": choice.seed,
        },
        "methods": [
            {
                "name": one.name,
                "method": method_text(one.method, study.cases.baseline),
                "at": one.at,
                "about": sentence(one.method),
                "answers": reading(one).answers,
                "cannot": reading(one).cannot,
                "linear": one.method.linear,
            }
            for one in study.cases.techniques
        ],
        "metrics": metrics_record(judgement.evaluation, study.task.mistakes),
        "findings": [],
        "findings_failed": list(judgement.failed),
        "cases": case_records(study, pictures),
    }
    ids = {case["row"]: case["id"] for case in record["cases"]}
    record["findings"], by_case = findings_record(judgement, ids, pictures.finding)
    for case in record["cases"]:
        case["findings"] = by_case.get(case["id"], [])
    record["features"] = mistaken_features(record, study.cases.kind, task.question)
    record["notes"] += [*judgement.notes, *order_sentences(record)]
    record["summary"] = summary_record(record) if task.name == "classification" else []
    return all_legible(record)


def figures(task: Task) -> StudyRecord:
    """How well the model does: `performance`, and of a classifier `confusion`."""
    found = dict(task.performance.to_dict())
    return found if task.name == "classification" else {"performance": found, "confusion": []}


def written(record: StudyRecord) -> str:
    """The record as the text of its file."""
    return json.dumps(record, indent=1, allow_nan=False, ensure_ascii=False) + "\n"
