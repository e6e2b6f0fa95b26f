"""The few sentences that a study comes down to, each with the way to what stands behind it."""

from backlight_report.study_page.record import StudyRecord

LINKS = {
    "performance": ("performance", "figures"),
    "order": ("performance", "figures"),
    "confusion": ("confusions", "confusions"),
    "findings": ("findings", "findings"),
    "features": ("features", "all of them"),
    "metrics": ("techniques", "measures"),
}
"""What is on the page of a key of the record, and what it is called."""


def summary_view(study: StudyRecord) -> list[StudyRecord]:
    views = []
    for one in study.get("summary", []):
        part, words = LINKS[one["about"]]
        place = one.get("place")
        if place is not None:
            part, words = f"finding-{place}", f"finding {place + 1}"
        views.append({"text": one["text"], "part": part, "words": words})
    return views
