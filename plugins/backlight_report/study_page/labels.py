"""A net with several labels: how well it knows each, which it misses and invents, and which it takes for
each other."""

from typing import Any, Final

from backlight_report.study_page.about import KINDS
from backlight_report.study_page.confusion import LISTED, cell_id
from backlight_report.study_page.performance import (
    MEANINGS,
    SCORES,
    TITLES,
    WORST,
    class_view,
    tile,
    undefined,
)
from backlight_report.study_page.record import StudyRecord, kind_of
from backlight_report.study_page.words import percent, short
from backlight_study.kinds import CALLED

MISTAKES: Final = (
    ("fn", "missed", "of those that have it"),
    ("fp", "invented", "of those that have it not"),
)
"""A kind of mistake, its key and word, and whose share it is."""


def labels_view(study: StudyRecord) -> StudyRecord:
    found, names = study["performance"], study["classes"]
    labels = [label_view(one, names) for one in found["labels"]]
    labels.sort(key=lambda one: (one["order"], one["class"]))
    return {
        "tiles": tiles(found, CALLED[kind_of(study)][1]),
        "shown": labels[:WORST],
        "more": labels[WORST:],
        "titles": [{"name": TITLES[key], "meaning": MEANINGS[key]} for key in SCORES],
        "undefined": [undefined(one, names) for one in found["undefined"]],
        "threshold": percent(found["threshold"]),
    }


def tiles(found: StudyRecord, many: str) -> list[StudyRecord]:
    mistakes = sum(one["missed"] + one["invented"] for one in found["labels"])
    count = found["count"] * len(found["labels"])
    macro, micro = found["macro"], found["micro"]
    shown: list[StudyRecord | None] = [
        {
            "value": f"{mistakes:,}",
            "name": "mistakes",
            "interval": "",
            "about": f"in {count:,} labels of {found['count']:,} {many}",
        },
        tile("all labels right", found["exact"], f"share of the {many}"),
        tile("micro F1", micro["f1"], "all labels together"),
        tile("macro F1", macro["f1"], "mean over the labels"),
        tile("macro AUC", macro["auc"], "mean over the labels"),
        tile("micro precision", micro["precision"], "of all that is said, how much is so"),
        tile("micro recall", micro["recall"], "of all that is so, how much is said"),
    ]
    return [one for one in shown if one is not None]


def label_view(one: StudyRecord, names: list[str]) -> StudyRecord:
    return {
        **class_view({**one, "class": one["label"]}, names),
        "missed": f"{one['missed']:,}",
        "invented": f"{one['invented']:,}",
    }


def mistakes_view(study: StudyRecord) -> StudyRecord:
    """The cells, a label and a kind of mistake each, the fullest first; and labels that are taken for
    each other."""
    found, names = study["performance"], study["classes"]
    cases: dict[tuple[int, str], list[StudyRecord]] = {}
    for case in study["cases"]:
        cases.setdefault((case["label"]["class"], case["kind"]), []).append(case)
    cells: list[StudyRecord] = []
    for one in found["labels"]:
        others = found["count"] - one["support"]
        for kind, key, whose in MISTAKES:
            whole = one["support"] if kind == "fn" else others
            if one[key]:
                share = one[key] / max(1, whole)
                text = f"{key}, {percent(share)} {whose}"
                cells.append(cell(one["label"], kind, one[key], text, names, cases))
    cells.sort(key=lambda one: (-one["number"], one["id"]))
    for (label, kind), held in sorted(cases.items()):
        if kind in ("tp", "tn"):
            text = "rightly said" if kind == "tp" else "rightly not said"
            cells.append(cell(label, kind, len(held), f"{text}, of the cases below", names, cases))
    most = max((one["number"] for one in cells), default=1)
    for one in cells:
        one["strength"] = round(one["number"] / most, 3)
    return {
        "listed": cells[:LISTED],
        "more": cells[LISTED:],
        "pairs": [
            {
                "missed": short(names[one["missed"]]),
                "invented": short(names[one["invented"]]),
                "count": f"{one['count']:,}",
            }
            for one in found["confused"][:LISTED]
        ],
    }


def cell(
    label: int, kind: str, number: int, text: str, names: list[str], cases: dict[Any, Any]
) -> StudyRecord:
    return {
        "id": cell_id(label, KINDS["multi-label"].index(kind)),
        "number": number,
        "count": f"{number:,}",
        "name": names[label],
        "short": short(names[label]),
        "text": text,
        "cases": cases.get((label, kind), []),
    }
