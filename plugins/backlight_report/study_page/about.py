"""What the page says of a case, by the model's task: the verdict, what it is filtered by, its bars."""

from collections.abc import Callable, Mapping
from typing import Final

from backlight_report.study_page.record import StudyRecord
from backlight_report.study_page.words import known, percent, short, signed
from backlight_study.tasks.multi_label import KINDS as LABEL_KINDS
from backlight_study.tasks.multi_label import THRESHOLD
from backlight_study.tasks.regression import KINDS as NUMBER_KINDS

KINDS: Final = {"multi-label": [*LABEL_KINDS], "regression": [*NUMBER_KINDS, "exact"]}
"""What a case can be, by the numbers that the page's addresses have for it."""

KIND_WORDS: Final = {**LABEL_KINDS, **NUMBER_KINDS, "exact": "exact"}


def of_class(case: StudyRecord, study: StudyRecord) -> StudyRecord:
    true, predicted = named(case["true"]), named(case["predicted"])
    return {
        "true": true,
        "predicted": predicted,
        "first": {"key": true["class"], "name": true["short"]},
        "second": {"key": predicted["class"], "name": predicted["short"]},
        "subject": f"a {true['short']}",
        "odds": [odds(one, case) for one in case["probabilities"]],
        "titles": question_titles(case, study["one_output"]),
    }


def of_label(case: StudyRecord, study: StudyRecord) -> StudyRecord:
    label = named(case["label"])
    kind = case["kind"]
    return {
        "label": label,
        "kind": kind,
        "first": {"key": label["class"], "name": label["short"]},
        "second": {"key": KINDS["multi-label"].index(kind), "name": LABEL_KINDS[kind]},
        "subject": f"{LABEL_KINDS[kind]} of {label['short']}",
        "odds": [label_odds(one) for one in case["labels"]],
        "titles": {"label": f"why {label['short']}, and why not"},
    }


def of_number(case: StudyRecord, study: StudyRecord) -> StudyRecord:
    number, kind = case["number"], case["kind"]
    name = short(number["name"])
    return {
        "number": name if len(study["classes"]) > 1 else "",
        "kind": KIND_WORDS[kind],
        "value": known(case["value"]),
        "target": known(case["target"]),
        "error": signed(case["error"]),
        "larger": (
            f"{percent(case['larger'])} of all errors are larger"
            if case["larger"]
            else "no error is larger"
        ),
        "first": {"key": number["class"], "name": name},
        "second": {"key": KINDS["regression"].index(kind), "name": KIND_WORDS[kind]},
        "subject": f"whose {name} is {known(case['target'])}",
        "odds": [],
        "titles": {"value": f"why {known(case['value'])}"},
    }


ABOUT: Mapping[str, Callable[[StudyRecord, StudyRecord], StudyRecord]] = {
    "classification": of_class,
    "multi-label": of_label,
    "regression": of_number,
}


def class_beside(one: StudyRecord, study: StudyRecord) -> str:
    label = one["class"]
    return short(study["classes"][label] if isinstance(label, int) else str(label))


BESIDE: Mapping[str, Callable[[StudyRecord, StudyRecord], str]] = {
    "classification": class_beside,
    "multi-label": lambda one, study: "has it" if one["has"] else "has it not",
    "regression": lambda one, study: f"true {known(one['target'])}, said {known(one['value'])}",
}
"""What is said below a neighbour."""


def named(one: StudyRecord) -> StudyRecord:
    return {
        "class": one["class"],
        "name": one["name"],
        "short": short(one["name"]),
        "probability": percent(one.get("probability")),
    }


def odds(one: StudyRecord, case: StudyRecord) -> StudyRecord:
    right = one["class"] == case["true"]["class"]
    said = one["class"] == case["predicted"]["class"]
    return bar(one, "right" if right else "wrong" if said else "other")


def label_odds(one: StudyRecord) -> StudyRecord:
    """The bar of a label: right where the example has it, wrong where the model alone says so."""
    said = one["probability"] >= THRESHOLD
    return bar(one, "right" if one["has"] else "wrong" if said else "other")


SIGNS: Final = {"right": " \N{CHECK MARK}", "wrong": " \N{MULTIPLICATION X}", "other": ""}


def bar(one: StudyRecord, mark: str) -> StudyRecord:
    width = round(100 * (one["probability"] or 0), 1)
    return {**named(one), "width": width, "mark": mark, "sign": SIGNS[mark]}


def question_titles(case: StudyRecord, one_output: bool) -> dict[str, str]:
    """What stands below the map of each question."""
    predicted, true, rival = (short(case[key]["name"]) for key in ("predicted", "true", "rival"))
    difference = f"why {predicted} rather than {rival}"
    if one_output:
        asked = f"why {true} rather than {predicted}"
        return {"predicted": difference, "true": asked, "contrast": difference}
    return {"predicted": f"why {predicted}", "true": f"why {true}", "contrast": difference}
