"""A model that gives numbers: how far off they are, and the largest errors."""

from math import log1p
from typing import Final

from backlight_report.study_page.about import KINDS
from backlight_report.study_page.confusion import LISTED, cell_id
from backlight_report.study_page.performance import tile
from backlight_report.study_page.record import StudyRecord
from backlight_report.study_page.words import between, known, short, signed
from backlight_study.tasks.regression import KINDS as NUMBER_KINDS

FIGURES: Final = {
    "mae": ("MAE", "mean absolute error, in the number's unit"),
    "rmse": ("RMSE", "root of the mean squared error: large ones weigh more"),
    "r2": ("R²", "1 is perfect; 0 is as good as always saying the mean"),
    "bias": ("bias", "mean error; above 0 the numbers are too high"),
}


def numbers_view(study: StudyRecord) -> StudyRecord:
    found = study["performance"]
    numbers = [number_view(place, one, study) for place, one in enumerate(found["numbers"])]
    return {"count": f"{found['count']:,}", "numbers": numbers, "several": len(numbers) > 1}


def number_view(place: int, one: StudyRecord, study: StudyRecord) -> StudyRecord:
    plot = one["plot"]
    low, high, bins = plot["low"], plot["high"], plot["bins"]
    most = max(count for _, _, count in plot["cells"])
    side = 100 / bins
    tiles = [tile(name, one[key], about, share=False) for key, (name, about) in FIGURES.items()]

    def at(value: float) -> float:
        return float(round(100 * (value - low) / (high - low), 2))

    return {
        "name": short(one["name"]),
        "tiles": [each for each in tiles if each is not None],
        "figures": [
            {
                "value": known((one[key] or {}).get("value")),
                "interval": between(one[key], share=False),
            }
            if one[key]
            else None
            for key in FIGURES
        ],
        "undefined": [
            f"{FIGURES[each['figure']][0]}: {each['reason']}" for each in one["undefined"]
        ],
        "cells": [
            {
                "x": round(x * side, 2),
                "y": round(100 - (y + 1) * side, 2),
                "strength": round(0.25 + 0.75 * log1p(count - 1) / (log1p(most - 1) or 1), 3),
            }
            for x, y, count in plot["cells"]
        ],
        "side": side,
        "dots": [
            {
                "x": at(case["target"]),
                "y": round(100 - at(case["value"]), 2),
                "text": f"{case['id']}: said {known(case['value'])}, true {known(case['target'])}",
            }
            for case in study["cases"]
            if case["number"]["class"] == place
        ],
        "ends": (known(low), known(high)),
    }


def errors_view(study: StudyRecord) -> StudyRecord:
    """The largest errors of each number, too high and too low."""
    names = study["classes"]
    by_row = {(case["row"], case["number"]["class"]): case for case in study["cases"]}
    lists = []
    for place, one in enumerate(study["performance"]["numbers"]):
        for kind, words in NUMBER_KINDS.items():
            errors = one[kind]
            most = max((abs(each["error"]) for each in errors), default=1.0) or 1.0
            views = [
                {
                    "error": signed(each["error"]),
                    "strength": round(abs(each["error"]) / most, 3),
                    "row": each["row"],
                    "case": by_row.get((each["row"], place)),
                }
                for each in errors
            ]
            held = sum(
                case["number"]["class"] == place and case["kind"] == kind for case in study["cases"]
            )
            title = f"{short(names[place])}, {words}" if len(names) > 1 else words.capitalize()
            lists.append(
                {
                    "id": cell_id(place, KINDS["regression"].index(kind)),
                    "title": title,
                    "shown": views[:LISTED],
                    "more": views[LISTED:],
                    "held": held,
                }
            )
    return {"lists": lists}
