"""A folder that is written as a whole: either the new one is there complete, or all is as before."""

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from backlight.errors import InputError
from backlight.partial import abandoned, hidden
from backlight_report.directory import BEFORE, FOLDER, INSIDE, MARK, PAGE, check_directory
from backlight_study.order_record import CLASSES

ENTRIES = (FOLDER, CLASSES, PAGE, BEFORE, MARK)
"""What a report's folder holds. The mark comes last: with it, the report is complete."""

FIXED = (errno.EXDEV, errno.EBUSY, errno.EACCES, errno.EPERM, errno.EROFS)
"""How a rename fails for a folder that is fixed where it is: a mount point, a container's volume."""


@contextmanager
def replacing(directory: Path) -> Iterator[Path]:
    """A new folder beside `directory`, which takes its place when the block ends without an error.

    Raises:
        InputError: the folder cannot be made or written; what was there before is there still.
    """
    claim(directory)
    final = directory.resolve()
    made = [parent for parent in final.parents if not parent.exists()]
    partial: Path | None = None
    try:
        try:
            partial = begun(final)
        except OSError as error:
            raise InputError(f"The folder {directory} cannot be made: {error}.") from error
        yield partial
        check_directory(directory)  # someone may have put files there meanwhile
        exchange(partial, final)
        made = []
    except OSError as error:
        raise InputError(
            f"The report could not be written to {directory}: {reason(error)}. All there is as it was "
            "before."
        ) from error
    finally:
        if partial is not None:
            shutil.rmtree(partial, ignore_errors=True)
        for parent in made:  # the innermost first; only those made here, and empty again
            if parent.exists():
                parent.rmdir()


def claim(directory: Path) -> None:
    """Put right what a run that was killed has left there, and see that a report may be written.

    Raises:
        InputError: see `check_directory`.
    """
    try:
        final = directory.resolve()
        for before in reversed(abandoned(final, "before")):
            if final.exists():
                shutil.rmtree(before, ignore_errors=True)
            else:
                before.rename(final)
        for before in abandoned(final / INSIDE, "before"):
            if not (final / MARK).exists():
                put_back(before, final)
            shutil.rmtree(before, ignore_errors=True)
        for partial in (*abandoned(final, "partial"), *abandoned(final / INSIDE, "partial")):
            shutil.rmtree(partial, ignore_errors=True)
    except OSError as error:
        raise InputError(f"The folder {directory} cannot be looked into: {error}.") from error
    check_directory(directory)


def begun(final: Path) -> Path:
    """An empty folder to write into: beside the final one, or in it where that one stays."""
    if not final.is_mount():
        try:
            partial = hidden(final, "partial")
            partial.mkdir(parents=True)
            return partial
        except OSError:
            if not final.is_dir():
                raise
    partial = hidden(final / INSIDE, "partial")
    partial.mkdir()
    return partial


def reason(error: OSError) -> str:
    """What went wrong, in the system's words; of a copy, the first of what may be many."""
    if isinstance(error, shutil.Error) and error.args and isinstance(error.args[0], list):
        return str(error.args[0][0][2])
    return error.strerror or str(error)


def exchange(partial: Path, final: Path) -> None:
    """Put the new folder where the old one is, which is removed; on failure all is as it was."""
    if partial.parent == final:
        return exchange_entries(partial, final)
    before = hidden(final, "before")
    try:
        if final.exists():
            final.rename(before)
        partial.rename(final)
    except BaseException as error:
        if before.exists() and not final.exists():
            before.rename(final)
        if isinstance(error, OSError) and error.errno in FIXED and final.is_dir():
            return exchange_entries(partial, final)
        raise
    finally:
        if final.exists():
            shutil.rmtree(before, ignore_errors=True)
    return None


def exchange_entries(partial: Path, final: Path) -> None:
    """The same inside of a folder that cannot be moved itself."""
    inside, before = hidden(final / INSIDE, "partial"), hidden(final / INSIDE, "before")
    try:
        if partial.parent != final:
            shutil.copytree(partial, inside)  # it may be of another file system
            partial = inside
        before.mkdir()
        try:
            for name in reversed(ENTRIES):
                if (final / name).exists():
                    (final / name).rename(before / name)
            for name in ENTRIES:
                if (partial / name).exists():
                    (partial / name).rename(final / name)
        except BaseException:
            put_back(before, final)
            raise
    finally:
        shutil.rmtree(inside, ignore_errors=True)
        shutil.rmtree(before, ignore_errors=True)


def put_back(before: Path, final: Path) -> None:
    """Make the folder's entries what they were before an exchange that did not come to its end."""
    moved = [name for name in ENTRIES if (before / name).exists()]
    begun = not moved and not (final / MARK).exists()  # with nothing to be moved away before
    # The folder of pictures is moved last: once it was, all that is there is new.
    for name in ENTRIES if FOLDER in moved or begun else moved:
        remove(final / name)
    for name in moved:
        (before / name).rename(final / name)


def remove(entry: Path) -> None:
    if entry.is_dir():
        shutil.rmtree(entry)
    else:
        entry.unlink(missing_ok=True)
