"""What `study.json` holds, as the page reads it."""

from typing import get_args

from backlight.errors import InputError
from backlight.values.layout import InputKind
from backlight_study.format import FORMAT, StudyRecord
from backlight_study.tasks.task import TaskName

__all__ = ["FORMAT", "QUESTIONS", "StudyRecord", "checked", "kind_of", "task_of"]

QUESTIONS = {
    "predicted": "Why its answer",
    "true": "Why the right class",
    "contrast": "Why not the other",
    "label": "Why this label",
    "value": "Why this number",
}
"""The questions in the order in which they are asked, and what they are called on the page."""


def kind_of(study: StudyRecord) -> InputKind:
    """What an example is: a picture, where an older study does not say."""
    kind: InputKind = study["input"].get("kind", "picture")
    return kind


def task_of(study: StudyRecord) -> str:
    """What the model is asked to do: a classification, where an older study does not say."""
    return str(study.get("task", "classification"))


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
    if task_of(study) not in get_args(TaskName):
        raise InputError(f"This page draws no study of the task {task_of(study)!r}.")
    return study
