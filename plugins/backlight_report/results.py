"""`results.json`: all of a report's numbers, for programs."""

import json
import platform
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from math import isfinite
from typing import Any

import numpy as np

from backlight import Attribution, Model, __version__
from backlight_loading.techniques import Technique
from backlight_report.explanations import Row, probable
from backlight_study.predictions import Predictions
from backlight_study.questions import Case, Question, quantity
from backlight_study.selection import ORDERS, Selection

FORMAT = 2

Record = dict[str, Any]


def versions(model: Model) -> Record:
    return {
        "backlight": __version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        model.framework: model.version,
    }


def header(
    model: Model,
    predictions: Predictions,
    selection: Selection,
    techniques: list[Technique],
    classes: list[str],
    about: Record,
) -> Record:
    """Everything but the cases. `about` describes model, data and preprocessing in words."""
    count = len(predictions.labels)
    return {
        "format": FORMAT,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": versions(model),
        "framework": model.framework,
        "outputs": predictions.kind,
        "one_output": predictions.single,
        "quantity": quantity(predictions, classes),
        **about,
        "classes": classes,
        "methods": [
            {"name": one.name, "method": repr(one.method), "at": one.at} for one in techniques
        ],
        "accuracy": {
            "correct": predictions.correct,
            "count": count,
            "share": predictions.correct / count,
        },
        "confusion": [
            {"true": true, "predicted": predicted, "count": number}
            for (true, predicted), number in predictions.confusion.items()
        ],
        "selection": {
            "only": selection.choice.asked,
            "true": list(selection.choice.true),
            "predicted": list(selection.choice.predicted),
            "limit": selection.choice.limit,
            "found": selection.found,
            "order": ORDERS[selection.choice.order],
        },
        "cases": [],
    }


def case_record(
    case: Case, name: str, classes: list[str], predictions: Predictions, file: str
) -> Record:
    def named(k: int) -> Record:
        return {"class": k, "name": classes[k], "probability": float(odds[k])}

    odds = predictions.probabilities[case.row]
    return {
        "row": case.row,
        "name": name,
        "true": named(case.true),
        "predicted": named(case.predicted),
        "rival": named(case.rival),
        "probabilities": [named(k) for k, _ in probable(odds)],
        "input": file,
        "explanations": [],
    }


def row_record(row: Row, files: Mapping[Question, str], bar: str | None) -> Record:
    """One technique's answers for a case."""
    return {
        "name": row.technique.name,
        "method": repr(row.technique.method),
        "at": next((one.at for one in row.attributions.values()), row.technique.at),
        "limit": row.scale.limit,
        "signed": row.scale.signed,
        "reduction": row.reduction,
        "scale": bar,
        "error": row.error,
        "targets": {
            question: target_record(one, files[question])
            for question, one in row.attributions.items()
            if question in files
        },
    }


def target_record(attribution: Attribution, file: str) -> Record:
    def first(column: Any) -> float | None:
        return None if column is None or not isfinite(column[0]) else float(column[0])

    return {
        "target": attribution.target,
        "score": first(attribution.score),
        "baseline_score": first(attribution.baseline_score),
        "gap": first(attribution.gap),
        "relative_gap": first(attribution.relative_gap),
        "error": first(attribution.error),
        "standard_error": first(attribution.standard_error),
        "warnings": list(attribution.warnings),
        "seed": attribution.seed,
        "seconds": round(attribution.seconds, 3),
        "file": file,
    }


def estimates(cases: Sequence[Record]) -> tuple[str, ...]:
    """A sentence for each technique that says how far its values may be off."""
    worst: dict[str, dict[str, float]] = {}
    for row in (row for case in cases for row in case["explanations"]):
        for one in row["targets"].values():
            for kind in ("error", "standard_error"):
                if one[kind] is not None:
                    known = worst.setdefault(row["name"], {})
                    known[kind] = max(known.get(kind, 0.0), one[kind])
    said = []
    for name, known in worst.items():
        parts = [f"estimated error of a map up to {known['error']:.1%}"] if "error" in known else []
        if "standard_error" in known:
            parts.append(f"standard error of a map's sum up to {known['standard_error']:.3g}")
        said.append(f"{name}: {', '.join(parts)}")
    return tuple(said)


def written(results: Record) -> str:
    return json.dumps(results, indent=1, allow_nan=False, ensure_ascii=False) + "\n"
