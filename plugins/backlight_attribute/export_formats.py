"""The kinds of files that a store is exported to."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeAlias
from zipfile import ZIP_STORED, ZipFile, ZipInfo

import numpy as np
from numpy.typing import NDArray

from backlight.plugins.extras import extra
from backlight_attribute.results import Attributions
from backlight_datasets import Block, Column
from backlight_datasets.committing import commit, commit_folder, replace
from backlight_datasets.tables.arrow import pyarrow

Blocks: TypeAlias = Callable[[], Iterator[Block]]
Columns: TypeAlias = Mapping[str, Column]


def rows_of(block: Block, name: str, column: Column) -> NDArray[Any]:
    """A column's rows in a block, texts as wide as they are; NaN, 0 or "" where the block lacks it."""
    if name in block.arrays:
        rows = block.arrays[name]
        return rows if is_text(column) else rows.astype(column.dtype, copy=False)
    shape = len(block.ids), *column.shape
    if column.dtype.kind == "f":
        return np.full(shape, np.nan, dtype=column.dtype)
    return np.zeros(shape, dtype=column.dtype)


def is_text(column: Column) -> bool:
    return column.dtype.kind in "SU"


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
                        member.write(rows.astype(column.dtype, copy=False).tobytes())

    commit(path, write, replace)


def widest(columns: Columns, blocks: Blocks) -> Columns:
    """The columns, texts as wide as the longest of all blocks."""
    wide = {name: one for name, one in columns.items() if is_text(one)}
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
        if rows.dtype.kind in "SU":
            return arrow.array(texts(rows))
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
        every = {"ids": Column(np.dtype(np.int64), ()), **columns}
        length = found.store.plan.block_length
        arrays = {
            name: group.create_array(
                name,
                shape=(count, *one.shape),
                chunks=(min(length, max(1, count)), *one.shape),
                dtype=str if is_text(one) else one.dtype,
            )
            for name, one in every.items()
        }
        done = 0
        for block in blocks():
            for name, one in every.items():
                rows = block.ids if name == "ids" else rows_of(block, name, one)
                given = np.array(texts(rows)) if is_text(one) else rows
                arrays[name][done : done + len(rows)] = given
            done += len(block.ids)

    commit_folder(path, write)


def texts(rows: NDArray[Any]) -> list[str]:
    """The texts of a column, which a store has as UTF-8."""
    return [
        one.decode(errors="replace") if isinstance(one, bytes) else one for one in rows.tolist()
    ]


WRITERS: Mapping[str, Callable[[Path, Columns, Blocks, int, Attributions], None]] = {
    "npz": write_npz,
    "parquet": write_parquet,
    "zarr": write_zarr,
}
