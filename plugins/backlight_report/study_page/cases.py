"""The cases: one example each, what the model says of it, and the maps that say why."""

from backlight_pictures.colour_bar import ticks
from backlight_pictures.fragments.tint import legend
from backlight_pictures.scale import Scale
from backlight_report.study_page.about import ABOUT, BESIDE
from backlight_report.study_page.images import Images, Shown
from backlight_report.study_page.record import QUESTIONS, StudyRecord, kind_of, task_of
from backlight_report.study_page.words import known, percent, shortened
from backlight_study.fragments import fragment

WORRYING = 0.1
"""The relative gap, and the error, from which on it is marked."""


LONGEST = 140
"""Characters of a neighbour's text that are shown."""

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
    findings = study.get("findings", [])
    picture = images.picture(case["input"])
    about = ABOUT[task_of(study)](case, study)
    return {
        "id": case["id"],
        "name": case["name"],
        "wrong": case["wrong"],
        **about,
        "facts": [
            {"name": key, "value": known(case[key])}
            for key in ("margin", "loss")
            if case.get(key) is not None
        ],
        "sorting": {
            key: "" if case.get(key) is None else abs(case[key])
            for key in ("confidence", "margin", "loss", "error")
        },
        "findings": [
            {"place": one, "title": findings[one]["title"]}
            for one in case.get("findings", [])
            if one < len(findings)
        ],
        "picture": picture,
        "searched": " ".join((case.get("given") or {}).get("tokens", [])),
        "neighbours": [neighbour(one, study, images) for one in case.get("neighbours") or []],
        "techniques": [
            technique_view(
                row, case, places.get(row["name"], place), about["titles"], study, images
            )
            for place, row in enumerate(case["explanations"])
        ],
    }


def neighbour(one: StudyRecord, study: StudyRecord, images: Images) -> StudyRecord:
    return {
        "name": one["name"] or f"row {one['row']}",
        "class": BESIDE[task_of(study)](one, study),
        "distance": known(one.get("distance")),
        "shown": images.picture(one.get("file")),
        "text": shortened(" ".join((one.get("given") or {}).get("tokens", [])), LONGEST),
    }


def technique_view(
    row: StudyRecord,
    case: StudyRecord,
    place: int,
    titles: dict[str, str],
    study: StudyRecord,
    images: Images,
) -> StudyRecord:
    """A row of maps, all on one scale."""
    asked = [one for one in QUESTIONS if one in row["targets"]]
    asked += [one for one in row["targets"] if one not in QUESTIONS]
    fragments = [fragment(row["targets"][one], row, case, study["input"]) for one in asked]
    shown = images.maps([row["targets"][one].get("file") for one in asked])
    scale = Scale(row.get("limit") or 0.0, bool(row.get("signed")))
    warnings = [line for one in row["targets"].values() for line in one.get("warnings") or []]
    stride = max((one.stride for one in shown if one is not None), default=1)
    return {
        "place": place,
        "name": row["name"].replace("_", " "),
        "method": row["method"],
        "at": row.get("at"),
        "reduction": None if one_channel(study) else row.get("reduction"),
        "failed": row.get("error"),
        "limit": scale.limit,
        "kind": "signed" if scale.signed else "unsigned",
        "ticks": ticks(scale),
        "stride": stride,
        "drawn": any(one is not None for one in (*shown, *fragments)),
        "legend": legend(scale, "") if any(one is not None for one in fragments) else None,
        "unit": SHARES if adds_up(row) else OWN,
        "warnings": list(dict.fromkeys(warnings)),
        "maps": [
            {
                **map_view(row["targets"][question], question, one),
                "question": question,
                "title": titles.get(question, question),
                "call": call(row, question),
                "fragment": drawn,
            }
            for question, one, drawn in zip(asked, shown, fragments, strict=True)
        ],
    }


def one_channel(study: StudyRecord) -> bool:
    """Whether pictures are grey: there is nothing to bring together then."""
    if kind_of(study) == "text":
        return False
    shape = study["input"]["shape"]
    return len(shape) == 2 or 1 in (shape[0], shape[-1])


def call(row: StudyRecord, question: str) -> str | None:
    """What to write to get a map again, of `x`, the prepared picture; None where it is no line.

    One output for two classes is explained by a function that a line can't hold.
    """
    target = row["targets"][question]["target"]
    if target.startswith("Function"):
        return None
    at = f", at={row['at']!r}" if row.get("at") else ""
    return f"backlight.explain(model, x, target={target}, method={row['method']}{at})"


def adds_up(row: StudyRecord) -> bool:
    """Whether the technique promises that a map's values add up to the score."""
    return any(one.get("relative_gap") is not None for one in row["targets"].values())


def map_view(one: StudyRecord, question: str, shown: Shown | None) -> StudyRecord:
    gap, error = one.get("relative_gap"), one.get("error")
    score, base = one.get("score"), one.get("baseline_score")
    number = question == "value"
    difference = None if score is None or base is None else score - base
    numbers = [
        ("score", score, known(score), True, False),
        ("baseline score", base, known(base), number, False),
        ("difference", difference if number else None, known(difference), number, False),
        ("gap", gap, percent(gap), True, gap is not None and gap > WORRYING),
        ("error", error, percent(error), True, error is not None and error > WORRYING),
        (
            "padding",
            one.get("padding") or None,
            known(one.get("padding")),
            True,
            True,
        ),
        (
            "standard error",
            one.get("standard_error_of_sum"),
            known(one.get("standard_error_of_sum")),
            False,
            False,
        ),
    ]
    return {
        "target": one.get("target", ""),
        "seed": one.get("seed"),
        "seconds": known(one.get("seconds")),
        "shown": shown,
        "numbers": [
            {"name": name, "value": told, "short": short or bad, "bad": bad}
            for name, value, told, short, bad in numbers
            if value is not None
        ],
    }
