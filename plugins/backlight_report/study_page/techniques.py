"""Which technique to believe: what each metric says of it, beside controls that see nothing."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Any, Self

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

ENDS = ("\N{MINUS SIGN}\N{INFINITY}", "\N{INFINITY}")


@dataclass(frozen=True)
class Column:
    """Where a metric's values lie, to be drawn on one line each.

    Attributes:
        low, high: the ends of the line: of all values and their intervals.
        control: the best mean of a control; None without a better end.
    """

    low: float
    high: float
    control: float | None

    @classmethod
    def of(cls, column: StudyRecord, rows: list[StudyRecord]) -> Self:
        held = [(row, row["values"].get(column["name"]) or {}) for row in rows]
        drawn = [
            one[key]
            for _, one in held
            for key in ("mean", "low", "high")
            if one.get(key) is not None
        ]
        controls = [
            one["mean"] for row, one in held if row["control"] and one.get("mean") is not None
        ]
        best = {"higher": max, "lower": min}.get(column.get("direction") or "")
        control = best(controls) if best is not None and controls else None
        return cls(min(drawn, default=0.0), max(drawn, default=1.0), control)

    def place(self, value: float) -> float:
        """In per cent of the line."""
        return round(100 * (value - self.low) / ((self.high - self.low) or 1), 1)


def techniques_view(study: StudyRecord) -> StudyRecord | None:
    """The table of techniques and metrics, or None where nothing was measured."""
    metrics = study.get("metrics")
    if not metrics or not metrics["rows"]:
        return None
    columns, rows = metrics["columns"], metrics["rows"]
    lines = {column["name"]: Column.of(column, rows) for column in columns}
    return {
        "note": metrics.get("note") or "",
        "columns": [
            {
                "title": title(column["name"]),
                "sentence": column["sentence"],
                "metric": column.get("metric") or "",
                "better": DIRECTIONS.get(column.get("direction") or "", "no better end"),
                "extent": extent(column.get("range")),
            }
            for column in columns
        ],
        "rows": [
            {
                "title": title(row["name"]),
                "control": row["control"],
                "verdict": verdict(row),
                "cells": [
                    cell(row["values"].get(name), line, row["control"])
                    for name, line in lines.items()
                ],
            }
            for row in sorted(rows, key=lambda row: row["control"])
        ],
    }


def title(name: str) -> str:
    return name.replace("_", " ")


def extent(ends: list[float | None] | str | None) -> str:
    """The range of a metric, in words."""
    if ends is None or isinstance(ends, str):
        return ends or ""
    low, high = (
        without if end is None or not isfinite(end) else known(end)
        for end, without in zip(ends, ENDS, strict=True)
    )
    return f"{low} to {high}"


def verdict(row: StudyRecord) -> str:
    if row["control"]:
        return "a control"
    judged = [one["beats_controls"] for one in row["values"].values() if one]
    judged = [one for one in judged if one is not None]
    if not judged:
        return "not compared with the controls"
    return f"beats the controls on {sum(judged)} of {counted(len(judged), 'metric', 'metrics')}"


def cell(one: Mapping[str, Any] | None, line: Column, control: bool) -> StudyRecord | None:
    if one is None:
        return None
    nan = one.get("nan") or 0
    if one.get("mean") is None:
        reason = one.get("error") or (
            f"{counted(nan, 'value is', 'values are')} not a number" if nan else ""
        )
        return {"missing": f"none: {reason}" if reason else "none"}
    counts: Mapping[str, int] = one.get("counts") or {}
    low = one["mean"] if one.get("low") is None else one["low"]
    high = one["mean"] if one.get("high") is None else one["high"]
    mark, words = VERDICTS[None if control else one.get("beats_controls")]
    return {
        "missing": "",
        "mean": known(one["mean"]),
        "interval": between(one, share=False),
        "n": one.get("n"),
        "more": [
            *(f"{key.replace('_', ' ')} in {count:,}" for key, count in counts.items()),
            *([f"{nan:,} not a number"] if nan else []),
        ],
        "at": line.place(one["mean"]),
        "left": line.place(low),
        "width": round(line.place(high) - line.place(low), 1),
        "best": None if line.control is None else line.place(line.control),
        "mark": mark,
        "words": words,
    }
