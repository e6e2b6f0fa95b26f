"""Where a report's computations are kept until it is complete, so that a killed run goes on."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import rmtree

from rich.console import Console
from rich.markup import escape

from backlight.errors import BacklightError
from backlight_datasets import StoreError
from backlight_loading.names import legible


@contextmanager
def unfinished(directory: Path, store: Path | None) -> Iterator[Path | None]:
    """The folder to keep computations in: the one that the user names, which stays; else one beside the
    report's, which is taken away when the report is complete, or when nothing was computed.

    None where nothing can be written beside the report: then a killed run begins anew.
    """
    if store is not None:
        yield store
        return
    final = directory.resolve()
    kept = final.with_name(f"{final.name}.unfinished")
    if not kept.is_dir() and (final.is_mount() or not may_write(final.parent)):
        yield None
        return
    begun_before = kept.is_dir()
    try:
        yield kept
    except StoreError:
        raise  # it says that the same command goes on
    except BacklightError:
        if not begun_before:
            rmtree(kept, ignore_errors=True)
        raise
    except BaseException:
        if any(kept.rglob("*.npz")):
            console = Console(stderr=True, soft_wrap=True)
            place = escape(legible(str(kept)))
            console.print(
                f"What was computed is kept in {place}: the same command goes on with it."
            )
        else:
            rmtree(kept, ignore_errors=True)
        raise
    rmtree(kept, ignore_errors=True)


def may_write(folder: Path) -> bool:
    """Whether a folder can be made in this one, or in the first of its parents that is there."""
    there = next(one for one in (folder, *folder.parents) if one.exists())
    return there.is_dir() and os.access(there, os.W_OK | os.X_OK)
