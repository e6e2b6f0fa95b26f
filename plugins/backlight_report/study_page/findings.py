"""What the mistakes have in common: each finding as a card."""

from collections.abc import Mapping
from typing import Any

from backlight_pictures.colour_bar import ticks
from backlight_report.study_page.images import Images
from backlight_report.study_page.record import StudyRecord
from backlight_report.study_page.words import evidence, short

DRAWN = 6
"""How many of a finding's cases are drawn beside its maps."""

LINKED = 12
"""How many of a finding's cases are linked at once."""

ROWS = 12
"""How many rows of a table of evidence are shown."""

SIGNS = {
    "high": "\N{BLACK DIAMOND}",
    "medium": "\N{BLACK UP-POINTING TRIANGLE}",
    "low": "\N{BLACK CIRCLE}",
}


def findings_view(study: StudyRecord, images: Images) -> list[StudyRecord]:
    names = {case["id"]: case for case in study["cases"]}
    rows = {case["row"]: case["id"] for case in study["cases"]}
    views = []
    told: set[str] = set()
    for place, finding in enumerate(study.get("findings", [])):
        cases = [one for one in finding["cases"] if one in names]
        # Those first that are of no finding above.
        examples = sorted(cases, key=lambda one: one in told)[:DRAWN]
        told.update(cases)
        pictures = []
        for one in finding.get("pictures", []):
            shown = images.maps([one["file"]])[0]
            if shown is not None:
                end = ticks(shown.scale) if shown.scale else []
                pictures.append({"caption": one["caption"], "shown": shown, "ticks": end})
        views.append(
            {
                **finding,
                "id": f"finding-{place}",
                "place": place,
                "sign": SIGNS.get(finding["severity"], SIGNS["low"]),
                "kind": finding["kind"].replace("_", " "),
                "evidence": [
                    {
                        "name": key.replace("_", " "),
                        "table": table(value, rows),
                        "value": evidence(value),
                    }
                    for key, value in finding["evidence"].items()
                    if value is not None
                ],
                "shown": cases[:LINKED],
                "more": cases[LINKED:],
                "count": len(finding["rows"]),
                "explained": len(cases),
                "pictures": pictures,
                "examples": [
                    {"id": one, "true": short(names[one]["true"]["name"]), "shown": shown}
                    for one in examples
                    if (shown := images.picture(names[one]["input"])) is not None
                ],
            }
        )
    return views


def table(value: Any, cases: Mapping[int, str]) -> StudyRecord | None:
    """Evidence that is a list of records alike, as a table of the first ones; else None.

    Args:
        cases: the ids of those that are explained, by their rows.
    """
    if not isinstance(value, list) or not value or not isinstance(value[0], dict):
        return None
    keys = list(value[0])
    if not keys or any(not isinstance(one, dict) or list(one) != keys for one in value):
        return None
    return {
        "columns": [key.replace("_", " ") for key in keys],
        "rows": [
            [
                {
                    "text": evidence(one[key], 1),
                    "link": cases.get(one[key]) if key == "row" else None,
                }
                for key in keys
            ]
            for one in value[:ROWS]
        ],
        "more": max(0, len(value) - ROWS),
    }
