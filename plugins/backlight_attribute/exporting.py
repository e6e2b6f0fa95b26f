"""A store as one file of another kind, written block by block."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from backlight.errors import (
    BacklightError,
    HyperParameterError,
    InputError,
    UnknownNameError,
    reason,
)
from backlight.progress import Progress
from backlight_attribute.export_formats import WRITERS
from backlight_attribute.results import Attributions
from backlight_datasets import Block
from backlight_datasets.committing import clear


def export(
    found: Attributions,
    path: Path,
    format: str | None = None,
    columns: Sequence[str] = (),
    progress: Progress = lambda what, done, total: None,
) -> None:
    """Write the columns of all blocks that are done, and the ids of their rows.

    A complete store alone is exported: what is missing would not be seen in the file.

    Args:
        found: the store.
        path: the file to write; of zarr a folder.
        format: "npz", "parquet" or "zarr"; where nothing is said, what the path ends in.
        columns: those to write; where nothing is said, all.
        progress: called as blocks are written.

    Raises:
        InputError: the store is not complete; the path is there, or cannot be written.
        HyperParameterError: no such format.
        UnknownNameError: no such column.
        PluginError: pyarrow, or zarr, is not installed.
    """
    kind = format or path.suffix.removeprefix(".")
    if kind not in WRITERS:
        raise HyperParameterError(
            f"A store is exported as {', '.join(WRITERS)}: name a path that ends so, or --format; got "
            f"{str(path)!r}."
        )
    status = found.status()
    if not status.complete:
        raise InputError(
            f"{len(status.missing)} of {status.blocks} blocks are missing in {found.store.folder}: run "
            "the command that began it again, which goes on where it was."
        )
    if path.exists():
        raise InputError(f"{path} is there already; name another one.")
    there = found.store.columns()
    for name in columns:
        if name not in there:
            raise UnknownNameError("column of the store", name, there)
    chosen = {name: one for name, one in there.items() if not columns or name in columns}

    def blocks() -> Iterator[Block]:
        for number in range(status.blocks):
            progress("Exporting", number, status.blocks)
            yield found.store.read(number)
        progress("Exporting", status.blocks, status.blocks)

    try:
        clear(path.parent, path.name)
        WRITERS[kind](path, chosen, blocks, status.explained, found)
    except BacklightError:
        raise
    except OSError as error:
        raise InputError(f"{path} could not be written: {reason(error)}.") from error
