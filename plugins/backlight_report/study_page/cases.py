"""The cases: one picture each, what the model says of it, and the maps that say why."""

from backlight_pictures.colour_bar import ticks
from backlight_pictures.scale import Scale
from backlight_report.study_page.confusion import cell_id
from backlight_report.study_page.images import Images, Shown
from backlight_report.study_page.record import QUESTIONS, StudyRecord
from backlight_report.study_page.words import known, percent, short

WORRYING = 0.1
"""The relative gap, and the error, from which on it is marked."""


SHARES, OWN = "parts of the score", "the technique's own unit"
"""What a map's values are."""


def questions_asked(study: StudyRecord) -> list[str]:
    """Those that any map answers, in their order."""
    found = {
        question
        for case in study["cases"]
        for row in case["explanations"]
        for question in row["targets"]
    }
    return [one for one in QUESTIONS if one in found] + sorted(found - set(QUESTIONS))


def case_view(case: StudyRecord, study: StudyRecord, images: Images) -> StudyRecord:
    """What the template shows of a case."""
    places = {method["name"]: place for place, method in enumerate(study["methods"])}
    true, predicted = case["true"], case["predicted"]
    findings = study.get("findings", [])
    picture = images.picture(case["input"])
    return {
        "id": case["id"],
        "name": case["name"],
        "wrong": case["wrong"],
        "true": named(true),
        "predicted": named(predicted),
        "cell": cell_id(true["class"], predicted["class"]),
        "confidence": percent(case["confidence"]),
        "facts": [
            {"name": key, "value": known(case[key])}
            for key in ("margin", "loss")
            if case.get(key) is not None
        ],
        "sorting": {
            key: "" if case.get(key) is None else case[key]
            for key in ("confidence", "margin", "loss")
        },
        "odds": [odds(one, case) for one in case["probabilities"]],
        "findings": [
            {"place": one, "title": findings[one]["title"]}
            for one in case.get("findings", [])
            if one < len(findings)
        ],
        "picture": picture,
        "neighbours": [neighbour(one, study, images) for one in case.get("neighbours") or []],
        "techniques": [
            technique_view(row, case, places.get(row["name"], place), study, images)
            for place, row in enumerate(case["explanations"])
        ],
    }


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
    return {
        **named(one),
        "width": round(100 * (one["probability"] or 0), 1),
        "mark": "right" if right else "wrong" if said else "other",
        "sign": " \N{CHECK MARK}" if right else " \N{MULTIPLICATION X}" if said else "",
    }


def neighbour(one: StudyRecord, study: StudyRecord, images: Images) -> StudyRecord:
    label = one["class"]
    name = study["classes"][label] if isinstance(label, int) else str(label)
    return {
        "name": one["name"] or f"row {one['row']}",
        "class": short(name),
        "distance": known(one.get("distance")),
        "shown": images.picture(one.get("file")),
    }


def question_titles(case: StudyRecord, one_output: bool) -> dict[str, str]:
    """What stands below the map of each question."""
    predicted, true, rival = (short(case[key]["name"]) for key in ("predicted", "true", "rival"))
    difference = f"why {predicted} rather than {rival}"
    if one_output:
        asked = f"why {true} rather than {predicted}"
        return {"predicted": difference, "true": asked, "contrast": difference}
    return {"predicted": f"why {predicted}", "true": f"why {true}", "contrast": difference}


def technique_view(
    row: StudyRecord, case: StudyRecord, place: int, study: StudyRecord, images: Images
) -> StudyRecord:
    """A row of maps, all on one scale."""
    titles = question_titles(case, study["one_output"])
    asked = [one for one in QUESTIONS if one in row["targets"]]
    asked += [one for one in row["targets"] if one not in QUESTIONS]
    shown = images.maps([row["targets"][one].get("file") for one in asked])
    scale = Scale(row.get("limit") or 0.0, bool(row.get("signed")))
    warnings = [line for one in row["targets"].values() for line in one.get("warnings") or []]
    stride = max((one.stride for one in shown if one is not None), default=1)
    return {
        "place": place,
        "name": row["name"].replace("_", " "),
        "method": row["method"],
        "at": row.get("at"),
        "reduction": row.get("reduction"),
        "failed": row.get("error"),
        "limit": scale.limit,
        "kind": "signed" if scale.signed else "unsigned",
        "ticks": ticks(scale),
        "stride": stride,
        "drawn": any(one is not None for one in shown),
        "unit": SHARES if adds_up(row) else OWN,
        "warnings": list(dict.fromkeys(warnings)),
        "maps": [
            {
                **map_view(row["targets"][question], one),
                "question": question,
                "title": titles.get(question, question),
                "call": call(case, row, question, study),
            }
            for question, one in zip(asked, shown, strict=True)
        ],
    }


def call(case: StudyRecord, row: StudyRecord, question: str, study: StudyRecord) -> str | None:
    """What to write to get a map again, of `x`, the prepared picture; None where it is no line.

    One output for two classes is explained by a function that a line can't hold.
    """
    if study["one_output"] or question not in QUESTIONS:
        return None
    first, rival = case["predicted"]["class"], case["rival"]["class"]
    score = "Class" if study["outputs"] == "logits" else "Logit"
    target = {
        "predicted": f"{score}({first})",
        "true": f"{score}({case['true']['class']})",
        "contrast": f"Margin({first}, versus={rival})",
    }[question]
    at = f", at={row['at']!r}" if row.get("at") else ""
    return f"backlight.explain(model, x, target={target}, method={row['method']}{at})"


def adds_up(row: StudyRecord) -> bool:
    """Whether the technique promises that a map's values add up to the score."""
    return any(one.get("relative_gap") is not None for one in row["targets"].values())


def map_view(one: StudyRecord, shown: Shown | None) -> StudyRecord:
    gap, error = one.get("relative_gap"), one.get("error")
    numbers = [
        ("score", known(one.get("score")), False),
        ("baseline score", known(one.get("baseline_score")), False),
        ("gap", percent(gap), gap is not None and gap > WORRYING),
        ("error", percent(error), error is not None and error > WORRYING),
        ("standard error", known(one.get("standard_error_of_sum")), False),
    ]
    keys = ("score", "baseline_score", "relative_gap", "error", "standard_error_of_sum")
    present = [one.get(key) is not None for key in keys]
    return {
        "target": one.get("target", ""),
        "seed": one.get("seed"),
        "seconds": known(one.get("seconds")),
        "shown": shown,
        "numbers": [
            {"name": name, "value": value, "bad": bad}
            for (name, value, bad), there in zip(numbers, present, strict=True)
            if there
        ],
    }
