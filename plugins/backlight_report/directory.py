"""A folder that is written as a whole: either the new one is there complete, or all is as before."""

import json
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from backlight.errors import InputError
from backlight_report.pictures import FOLDER

MARK = "results.json"
"""The file that tells a report's folder from others."""

PAGE = "report.html"
"""The file to open."""


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
    entries = sorted(directory.iterdir())
    if not entries:
        return None
    for entry in entries:
        ours = entry.is_dir() if entry.name == FOLDER else entry.is_file()
        if entry.name not in (PAGE, MARK, FOLDER) or not ours:
            return entry.name
    texts = texts_of_report(directory / MARK)
    if texts is None:  # a file of that name alone says nothing: other programs write one as well
        return MARK if (directory / MARK).exists() else entries[0].name
    pictures = directory / FOLDER
    for entry in sorted(pictures.iterdir()) if pictures.exists() else ():
        path = f"{FOLDER}/{entry.name}"
        if path not in texts or not entry.is_file():
            return path
    return None


def texts_of_report(file: Path) -> set[str] | None:
    """All texts of a report's cases, the paths of its pictures among them; None if it is none."""
    try:
        results = json.loads(file.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError, RecursionError):
        return None
    versions = results.get("versions") if isinstance(results, dict) else None
    if not isinstance(versions, dict) or "backlight" not in versions or "cases" not in results:
        return None
    return set(texts_in(results["cases"]))


def texts_in(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for part in value.values() if isinstance(value, dict) else value:
            yield from texts_in(part)


@contextmanager
def replacing(directory: Path) -> Iterator[Path]:
    """A new folder beside `directory`, which takes its place when the block ends without an error."""
    check_directory(directory)
    final = directory.resolve()
    token = f"{os.getpid()}-{secrets.token_hex(4)}"
    partial = final.with_name(f".{final.name}.{token}.partial")
    before = final.with_name(f".{final.name}.{token}.before")
    made = [parent for parent in partial.parents if not parent.exists()]
    try:
        try:
            partial.mkdir(parents=True)
        except OSError as error:
            raise InputError(f"The folder {directory} cannot be made: {error}.") from error
        yield partial
        check_directory(directory)  # someone may have put files there meanwhile
        try:
            if final.exists():
                final.rename(before)
            partial.rename(final)
        except BaseException:
            if before.exists() and not final.exists():
                before.rename(final)
            raise
        made = []
    finally:
        shutil.rmtree(partial, ignore_errors=True)
        shutil.rmtree(before, ignore_errors=True)
        for parent in made:  # the innermost first; only those made here, and empty again
            if parent.exists():
                parent.rmdir()
