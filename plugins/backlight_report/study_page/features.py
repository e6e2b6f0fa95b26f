"""Which words, columns or moments speak most for wrong answers."""

from typing import Final

from backlight_report.study_page.record import StudyRecord
from backlight_report.study_page.words import percent

TITLES: Final = {"text": "word", "table": "column", "series": "moments"}
"""What the features of a kind are called."""


def features_view(study: StudyRecord) -> StudyRecord | None:
    """A table for each technique, or None where there is none."""
    found = study.get("features")
    if not found:
        return None
    techniques = [one for one in found["techniques"] if one["rows"]]
    most = max((abs(row["share"]) for one in techniques for row in one["rows"]), default=1.0)
    return {
        "title": TITLES[found["kind"]],
        "techniques": [
            {
                "name": one["name"].replace("_", " "),
                "cases": one["cases"],
                "left_out": one["left_out"],
                "rows": [
                    {
                        **row,
                        "told": percent(abs(row["share"])),
                        "width": round(50 * abs(row["share"]) / most, 1),
                        "side": "for" if row["share"] > 0 else "against",
                    }
                    for row in one["rows"]
                ],
            }
            for one in techniques
        ],
    }
