"""A store as one file of another kind, written block by block."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeAlias
from zipfile import ZIP_STORED, ZipFile, ZipInfo

import numpy as np
from numpy.typing import NDArray

from backlight.errors import HyperParameterError, InputError, UnknownNameError
from backlight.plugins.extras import extra
from backlight.progress import Progress
from backlight_attribute.results import Attributions
from backlight_datasets import Block, Column
from backlight_datasets.committing import clear, commit, commit_folder, replace
from backlight_datasets.tables.arrow import pyarrow

Blocks: TypeAlias = Callable[[], Iterator[Block]]
Columns: TypeAlias = Mapping[str, Column]


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
        InputError: the store is not complete; or the path is there.
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
    clear(path.parent, path.name)
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

    WRITERS[kind](path, chosen, blocks, status.explained, found)


def rows_of(block: Block, name: str, column: Column) -> NDArray[Any]:
    """A column's rows in a block; NaN, or nothing, where the block lacks it."""
    if name in block.arrays:
        return block.arrays[name].astype(column.dtype, copy=False)
    shape = len(block.ids), *column.shape
    return np.full(shape, np.nan if column.dtype.kind == "f" else 0, dtype=column.dtype)


def write_npz(
    path: Path, columns: Columns, blocks: Blocks, count: int, found: Attributions
) -> None:
    """One archive, not deflated, an array a column. The blocks are read once for each column."""
    every = {"ids": Column(np.dtype(np.int64), ()), **widest(columns, blocks)}

    def write(file: Any) -> None:
        with ZipFile(file, "w", ZIP_STORED) as archive:
            for name, column in every.items():
                header = {
                    "descr": np.lib.format.dtype_to_descr(column.dtype),
                    "fortran_order": False,
                    "shape": (count, *column.shape),
                }
                with archive.open(ZipInfo(f"{name}.npy"), "w", force_zip64=True) as member:
                    np.lib.format.write_array_header_2_0(member, header)
                    for block in blocks():
                        rows = block.ids if name == "ids" else rows_of(block, name, column)
                        member.write(np.ascontiguousarray(rows).tobytes())

    commit(path, write, replace)


def widest(columns: Columns, blocks: Blocks) -> Columns:
    """The columns, texts as wide as the longest of all blocks."""
    wide = {name: one for name, one in columns.items() if one.dtype.kind in "SU"}
    for block in blocks() if wide else ():
        for name, one in wide.items():
            if name in block.arrays and block.arrays[name].dtype.itemsize > one.dtype.itemsize:
                wide[name] = Column(block.arrays[name].dtype, one.shape)
    return {**columns, **wide}


def write_parquet(
    path: Path, columns: Columns, blocks: Blocks, count: int, found: Attributions
) -> None:
    """A row group for each block; arrays as lists of fixed size, row by row, whose shapes the file's
    metadata has under `shapes`."""
    arrow = pyarrow()
    shapes = {name: list(one.shape) for name, one in columns.items() if one.shape}

    def as_arrow(rows: NDArray[Any]) -> Any:
        if rows.dtype.kind == "S":
            return arrow.array([one.decode(errors="replace") for one in rows.tolist()])
        if rows.ndim == 1:
            return arrow.array(rows)
        size = int(np.prod(rows.shape[1:]))
        return arrow.FixedSizeListArray.from_arrays(arrow.array(rows.reshape(-1)), size)

    def table(block: Block) -> Any:
        found_rows = {name: rows_of(block, name, one) for name, one in columns.items()}
        return arrow.table(
            {"id": block.ids, **{name: as_arrow(rows) for name, rows in found_rows.items()}}
        )

    def write(file: Any) -> None:
        writer = None
        about = {"shapes": json.dumps(shapes), "plan": found.store.plan.text}
        for block in blocks():
            rows = table(block)
            if writer is None:
                schema = rows.schema.with_metadata(about)
                writer = arrow.parquet.ParquetWriter(file, schema, compression="zstd")
            writer.write_table(rows.cast(writer.schema))
        if writer is not None:
            writer.close()

    commit(path, write, replace)


def write_zarr(
    path: Path, columns: Columns, blocks: Blocks, count: int, found: Attributions
) -> None:
    """A group with an array for each column, a chunk for each block."""
    zarr = extra("zarr", "zarr", f"{path} needs zarr")

    def write(folder: Path) -> None:
        group = zarr.open_group(str(folder), mode="w-")
        group.attrs["plan"] = json.loads(json.dumps(asdict(found.store.plan)))
        every = {"ids": Column(np.dtype(np.int64), ()), **widest(columns, blocks)}
        length = max(1, found.store.plan.block_length)
        arrays = {
            name: group.create_array(
                name,
                shape=(count, *one.shape),
                chunks=(min(length, max(1, count)), *one.shape),
                dtype=one.dtype,
            )
            for name, one in every.items()
        }
        done = 0
        for block in blocks():
            for name, one in every.items():
                rows = block.ids if name == "ids" else rows_of(block, name, one)
                arrays[name][done : done + len(rows)] = rows.astype(one.dtype, copy=False)
            done += len(block.ids)

    commit_folder(path, write)


WRITERS: Mapping[str, Callable[[Path, Columns, Blocks, int, Attributions], None]] = {
    "npz": write_npz,
    "parquet": write_parquet,
    "zarr": write_zarr,
}
