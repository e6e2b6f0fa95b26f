"""A folder that is written as a whole: either the new one is there complete, or all is as before."""

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from backlight.errors import InputError

MARK = "results.json"
"""The file that tells a report's folder from others."""


def check_directory(directory: Path) -> None:
    """Raise InputError unless a report may be written there: nothing else is ever overwritten."""
    if directory.exists() and not directory.is_dir():
        raise InputError(f"{directory} is a file; name a folder for the report with -o.")
    if directory.is_dir() and any(directory.iterdir()) and not (directory / MARK).is_file():
        raise InputError(
            f"{directory} holds files that are not a report's, and is left alone; name another folder "
            "with -o."
        )


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
