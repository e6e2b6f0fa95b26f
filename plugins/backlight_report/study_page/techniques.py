"""Which technique to believe: what each metric says of it, beside controls that see nothing."""

from collections.abc import Mapping
from typing import Any

from backlight_report.study_page.record import StudyRecord
from backlight_report.study_page.words import between, counted, known

DIRECTIONS = {
    "higher": "\N{UPWARDS ARROW} higher is better",
    "lower": "\N{DOWNWARDS ARROW} lower is better",
}

VERDICTS = {
    True: ("beats", "\N{CHECK MARK} beats the controls"),
    False: ("fails", "\N{MULTIPLICATION X} does not beat the controls"),
    None: ("open", ""),
}


def techniques_view(study: StudyRecord) -> StudyRecord | None:
    """The table of techniques and metrics, or None where nothing was measured."""
    metrics = study.get("metrics")
    if not metrics or not metrics["rows"]:
        return None
    columns, rows = metrics["columns"], metrics["rows"]
    spans = {column["name"]: span(column["name"], rows) for column in columns}
    return {
        "note": metrics.get("note", ""),
        "columns": [
            {
                **column,
                "title": title(column["name"]),
                "better": DIRECTIONS.get(column.get("direction") or "", "no better end"),
                "extent": extent(column.get("range")),
            }
            for column in columns
        ],
        "rows": [
            {
                "name": row["name"],
                "title": title(row["name"]),
                "control": row["control"],
                "verdict": verdict(row),
                "cells": [
                    cell(row["values"].get(column["name"]), spans[column["name"]], row["control"])
                    for column in columns
                ],
            }
            for row in sorted(rows, key=lambda row: row["control"])
        ],
    }


def title(name: str) -> str:
    return name.replace("_", " ")


def extent(found: Any) -> str:
    """The range of a metric, in words."""
    if found is None or isinstance(found, str):
        return found or ""
    low, high = (
        ("\N{EN DASH}\N{INFINITY}" if found[0] is None else known(found[0])),
        ("\N{INFINITY}" if found[1] is None else known(found[1])),
    )
    return f"{low} to {high}"


def verdict(row: StudyRecord) -> str:
    if row["control"]:
        return "a control: it knows nothing of the model"
    judged = [one["beats_controls"] for one in row["values"].values() if one]
    judged = [one for one in judged if one is not None]
    if not judged:
        return "not compared with the controls"
    return f"beats the controls on {sum(judged)} of {counted(len(judged), 'metric', 'metrics')}"


def span(name: str, rows: list[StudyRecord]) -> tuple[float, float]:
    """From where to where the line of a metric's column goes."""
    known_values = [
        one[key]
        for row in rows
        if (one := row["values"].get(name))
        for key in ("mean", "low", "high")
        if one.get(key) is not None
    ]
    return (min(known_values, default=0.0), max(known_values, default=1.0))


def cell(
    one: Mapping[str, Any] | None, ends: tuple[float, float], control: bool
) -> StudyRecord | None:
    if one is None or one.get("mean") is None:
        return None if one is None else {"missing": missing(one)}

    def place(value: float) -> float:
        return round(100 * (value - ends[0]) / ((ends[1] - ends[0]) or 1), 1)

    low = one["mean"] if one.get("low") is None else one["low"]
    high = one["mean"] if one.get("high") is None else one["high"]
    mark, words = VERDICTS[None if control else one.get("beats_controls")]
    return {
        "missing": "",
        "mean": known(one["mean"]),
        "interval": between(one, share=False),
        "n": one.get("n"),
        "nan": one.get("nan") or 0,
        "at": place(one["mean"]),
        "left": place(low),
        "width": round(place(high) - place(low), 1),
        "mark": mark,
        "words": words,
    }


def missing(one: Mapping[str, Any]) -> str:
    nan = one.get("nan") or 0
    return f"none: {counted(nan, 'value is', 'values are')} not a number" if nan else "none"
