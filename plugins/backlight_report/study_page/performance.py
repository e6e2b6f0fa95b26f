"""How well the model does: tiles, classes, and whether its confidence can be believed."""

from collections.abc import Mapping
from typing import Any, Final

from backlight_report.study_page.record import StudyRecord, kind_of
from backlight_report.study_page.words import between, counted, known, percent, short
from backlight_study.kinds import CALLED

WORST = 20
"""How many classes are listed at once, those with the lowest F1 first."""

SCORES: Final = ("precision", "recall", "f1", "auc")

TITLES: Final = {"precision": "Precision", "recall": "Recall", "f1": "F1", "auc": "AUC"}

MEANINGS: Final = {
    "precision": "of those called so, how many are",
    "recall": "of those that are, how many are called so",
    "f1": "harmonic mean of precision and recall",
    "auc": "how often a member gets a higher probability than another example",
}


def performance_view(study: StudyRecord) -> StudyRecord:
    found = study["performance"]
    given = found.get("classes", [])
    classes = [class_view(one, study["classes"]) for one in given if known_of(one)]
    classes.sort(key=lambda one: (one["order"], one["class"]))
    calibration = found.get("calibration") or {}
    return {
        "tiles": tiles(found, CALLED[kind_of(study)]),
        "shown": classes[:WORST],
        "more": classes[WORST:],
        "absent": f"{absent:,}" if (absent := len(given) - len(classes)) else "",
        "titles": [{"name": TITLES[key], "meaning": MEANINGS[key]} for key in SCORES],
        "undefined": [undefined(one, study["classes"]) for one in found.get("undefined") or []],
        "diagram": diagram(calibration.get("bins", [])),
    }


def tiles(found: StudyRecord, called: tuple[str, str]) -> list[StudyRecord]:
    accuracy, macro = found["accuracy"], found.get("macro") or {}
    calibration = (found.get("calibration") or {}).get("error")
    wrong = accuracy["count"] - accuracy["correct"]
    of_all = f"of {counted(accuracy['count'], *called)}"
    shown = [
        tile("right", accuracy, f"{accuracy['correct']:,} {of_all}"),
        {"value": f"{wrong:,}", "name": "wrong", "interval": "", "about": of_all},
        tile("F1", macro.get("f1"), "mean over the classes"),
        tile("AUC", macro.get("auc"), "mean over the classes"),
        tile("calibration error", calibration, "confidence is off by so much on average"),
        tile("log loss", found.get("log_loss"), "natural logarithm; lower is better", share=False),
    ]
    return [one for one in shown if one is not None]


def tile(
    name: str, estimate: Mapping[str, Any] | None, about: str, *, share: bool = True
) -> StudyRecord | None:
    if estimate is None or estimate.get("value") is None:
        return None
    value = estimate["value"]
    return {
        "value": percent(value) if share else known(value),
        "name": name,
        "interval": between(estimate, share),
        "about": about,
    }


def known_of(one: Mapping[str, Any]) -> bool:
    """Whether the class occurs, or any example is called so."""
    scores = (one.get(key) for key in SCORES)
    return bool(one["support"]) or any(score and score["value"] is not None for score in scores)


def class_view(one: StudyRecord, names: list[str]) -> StudyRecord:
    f1 = one.get("f1")
    return {
        "class": one["class"],
        "name": names[one["class"]],
        "short": short(names[one["class"]]),
        "support": f"{one['support']:,}",
        "count": one["support"],
        "order": f1["value"] if f1 and f1["value"] is not None else 2.0,
        "scores": [whisker(one.get(key)) for key in SCORES],
    }


def whisker(estimate: Mapping[str, Any] | None) -> StudyRecord | None:
    """A share from 0 to 1 with its interval, as places on a line in per cent."""
    if estimate is None or estimate["value"] is None:
        return None
    value, low, high = estimate["value"], estimate.get("low"), estimate.get("high")
    return {
        "value": percent(value),
        "number": value,
        "interval": between(estimate),
        "at": round(100 * value, 1),
        "left": round(100 * (value if low is None else low), 1),
        "width": 0.0 if low is None or high is None else round(100 * (high - low), 1),
    }


def undefined(one: StudyRecord, names: list[str]) -> str:
    """Why a figure has no value, and for which classes."""
    lacking = [short(names[k]) for k in one["classes"][:5]]
    more = f" and {len(one['classes']) - 5:,} more" if len(one["classes"]) > 5 else ""
    whose = f" of {', '.join(lacking)}{more}" if lacking else ""
    return f"{TITLES.get(one['figure'], one['figure'])}{whose}: {one['reason']}"


def diagram(bins: list[StudyRecord]) -> list[StudyRecord]:
    """The bins of a reliability diagram, as places in a square of 100 by 100."""
    most = max((one["count"] for one in bins), default=0)
    return [
        {
            "left": round(100 * one["low"], 1),
            "width": round(100 * (one["high"] - one["low"]), 1),
            "top": round(100 - 100 * one["accuracy"], 1),
            "height": round(100 * one["accuracy"], 1),
            "x": round(100 * one["confidence"], 1),
            "y": round(100 - 100 * one["accuracy"], 1),
            "size": round(1.2 + 3.2 * (one["count"] / most) ** 0.5, 2),
            "confidence": percent(one["confidence"]),
            "accuracy": percent(one["accuracy"]),
            "count": f"{one['count']:,}",
            "range": f"{percent(one['low'])} to {percent(one['high'])}",
        }
        for one in bins
        if one["count"] and one["accuracy"] is not None
    ]
