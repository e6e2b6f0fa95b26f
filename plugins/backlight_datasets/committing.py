"""A file that is there whole, or not at all, also after a kill or a loss of power."""

import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from backlight.interrupts import interruptible
from backlight.partial import abandoned, hidden


@interruptible
def commit(
    target: Path, write: Callable[[BinaryIO], object], place: Callable[[Path, Path], None]
) -> None:
    """Write a file under a hidden name, bring it to the disk, and put it in its place.

    Args:
        target: where it is to be.
        write: writes what is in it.
        place: puts the first path's file at the second one.
    """
    partial = hidden(family(target), "partial")
    try:
        with partial.open("wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        place(partial, target)
    finally:
        partial.unlink(missing_ok=True)
    sync_folder(target.parent)


@interruptible
def commit_folder(target: Path, write: Callable[[Path], object]) -> None:
    """The same of a folder, which must not be there.

    Args:
        target: where it is to be.
        write: makes it at the path that it is given.
    """
    partial = hidden(family(target), "partial")
    try:
        write(partial)
        partial.rename(target)
    finally:
        remove(partial)
    sync_folder(target.parent)


def remove(left: Path) -> None:
    if left.is_dir():
        shutil.rmtree(left)
    else:
        left.unlink(missing_ok=True)


def replace(partial: Path, target: Path) -> None:
    """The new file is the one that stays."""
    partial.replace(target)


def keep_first(partial: Path, target: Path) -> None:
    """The file that was there first stays; FileExistsError where there was one."""
    try:
        os.link(partial, target)
    except FileExistsError:
        raise
    except OSError:  # a file system without links, of a memory card or a mounted cloud
        if target.exists():
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target)) from None
        partial.replace(target)


def clear(folder: Path, target: str) -> None:
    """Remove what killed processes have left of files and folders of the family of this name."""
    for left in abandoned(family(folder / target), "partial"):
        remove(left)


def family(target: Path) -> Path:
    """What the hidden names of files that differ by a number have in common: one look at a folder finds
    those of all."""
    return target.with_name(target.name.partition("-")[0])


def sync_folder(folder: Path) -> None:
    """Bring the names in a folder to the disk."""
    if os.name != "posix":  # a folder cannot be opened there
        return
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # a file system that does not do it
            raise
    finally:
        os.close(opened)
