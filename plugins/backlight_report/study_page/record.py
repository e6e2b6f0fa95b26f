"""What `study.json` holds, as the page reads it."""

from backlight.errors import InputError
from backlight_study.record import FORMAT, StudyRecord

__all__ = ["FORMAT", "QUESTIONS", "StudyRecord", "checked"]

QUESTIONS = {
    "predicted": "Why its answer",
    "true": "Why the right class",
    "contrast": "Why not the other",
}
"""The questions in the order in which they are asked, and what they are called on the page."""


def checked(study: StudyRecord) -> StudyRecord:
    """The study, if it is of the format that this page draws.

    Raises:
        InputError: another format.
    """
    if study.get("format") != FORMAT:
        raise InputError(
            f"This page draws studies of format {FORMAT}, got {study.get('format')!r}. "
            "Make the study again, or draw it with the version of Backlight that made it."
        )
    return study
