"""The folder of a report: whose files are in it, and whether a report may be written there."""

import json
from collections.abc import Iterator
from pathlib import Path

from backlight.errors import InputError
from backlight.partial import is_hidden
from backlight_study.order_record import CLASSES

MARK = "study.json"
"""The file that tells a report's folder from others."""

BEFORE = "results.json"
"""What that file was called by earlier versions, whose reports may be replaced too."""

PAGE = "report.html"
"""The file to open."""

FOLDER = "pictures"
"""The folder of all pictures."""

INSIDE = "report"
"""What a report is called that is written inside of its own folder until it is complete."""


def check_directory(directory: Path) -> None:
    """Raise InputError unless a report may be written there: nothing else is ever overwritten."""
    try:
        if directory.exists() and not directory.is_dir():
            raise InputError(f"{directory} is a file; name a folder for the report with -o.")
        foreign = first_foreign(directory) if directory.is_dir() else None
    except OSError as error:
        raise InputError(f"The folder {directory} cannot be looked into: {error}.") from error
    if foreign is not None:
        raise InputError(
            f"{directory} holds files that are not a report's ({foreign}), and is left alone; name "
            "another folder with -o."
        )


def first_foreign(directory: Path) -> str | None:
    """The first entry that no report wrote; None in an empty folder and in one that is a report."""
    unfinished = directory / INSIDE
    entries = [one for one in sorted(directory.iterdir()) if not is_hidden(one, unfinished)]
    if not entries:
        return None
    for entry in entries:
        ours = entry.is_dir() if entry.name == FOLDER else entry.is_file()
        if entry.name not in (PAGE, MARK, BEFORE, CLASSES, FOLDER) or not ours:
            return entry.name
    mark = MARK if (directory / MARK).exists() else BEFORE
    texts = texts_of_report(directory / mark)
    if texts is None:  # a file of that name alone says nothing: other programs write one as well
        return mark if (directory / mark).exists() else entries[0].name
    if CLASSES not in texts and (directory / CLASSES).exists():
        return CLASSES
    pictures = directory / FOLDER
    for entry in sorted(pictures.iterdir()) if pictures.exists() else ():
        path = f"{FOLDER}/{entry.name}"
        if path not in texts or not entry.is_file():
            return path
    return None


def texts_of_report(file: Path) -> set[str] | None:
    """All texts of a report's cases, findings, panels and order of classes, the paths of its files among
    them; None if it is none."""
    try:
        results = json.loads(file.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError, RecursionError):
        return None
    versions = results.get("versions") if isinstance(results, dict) else None
    if not isinstance(versions, dict) or "backlight" not in versions or "cases" not in results:
        return None
    parts = ("cases", "order", "findings", "panels")
    return set(texts_in([results.get(part) for part in parts]))


def texts_in(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for part in value.values() if isinstance(value, dict) else value:
            yield from texts_in(part)
