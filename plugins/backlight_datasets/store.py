"""Results, block by block, in a folder that a killed run goes on with."""

import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from os import PathLike
from typing import Any, Self, final

import numpy as np
from numpy.typing import NDArray

from backlight.errors import BacklightWarning, InputError, UnknownNameError, reason
from backlight_datasets.block_file import (
    Block,
    Header,
    check_block,
    read_arrays,
    read_header,
    write_block,
)
from backlight_datasets.errors import StoreError
from backlight_datasets.members import check_whole, stored_rows
from backlight_datasets.plan import Plan, begin, read_plan
from backlight_datasets.source import Skipped
from backlight_datasets.storage.folder import File, Folder
from backlight_datasets.storage.opening import open_folder

FILE = re.compile(r"block-(\d{6,})\.npz")

MOST_HEADERS = 256
"""How many blocks' headers are kept in memory, some 20 kB each."""


@final
@dataclass(frozen=True)
class Column:
    """One array of all blocks: its dtype and the shape of a row, as they are read."""

    dtype: np.dtype[Any]
    shape: tuple[int, ...]


@final
@dataclass(frozen=True)
class BlockStore:
    """A folder with a plan and a file for each block that is done: the file is the record of it.

    Blocks may be written in any order and by several processes; a file is there whole or not at all.

    Attributes:
        folder: where it is.
        plan: what it is to hold.
    """

    folder: Folder
    plan: Plan

    @classmethod
    def begin(cls, folder: str | PathLike[str], plan: Plan, replaces: bool = False) -> Self:
        """The store of this plan, begun now or before, to write to.

        Args:
            replaces: whether another plan gives way to this one, which a warning says, as long as none of
                its blocks is done. A run of that plan must look at it before it writes one.

        Raises:
            StoreError: another plan was begun there, which entries differ is said; or the folder cannot
                be written.
        """
        place = open_folder(folder)
        begin(place, plan, lambda: replaces and not any(map(FILE.fullmatch, place.names())))
        begun = cls(place, plan)
        begun.clear()
        return begun

    @classmethod
    def open(cls, folder: str | PathLike[str]) -> Self:
        """A store that is there, complete or not.

        Raises:
            StoreError: none is there, or its plan cannot be read.
        """
        place = open_folder(folder)
        return cls(place, read_plan(place))

    def clear(self) -> None:
        """Remove what processes that are gone were writing."""
        self.folder.clear("block-")

    def path(self, block: int) -> File:
        """The file of a block, which is there when the block is done: in a local folder a `Path`."""
        return self.folder.file(file_name(block))

    def missing(self, quick: bool = False) -> list[int]:
        """The blocks that are not done. Damaged files and those of another plan do not count as done:
        they are warned of by name, and replaced when their block is written.

        Args:
            quick: look at each file's header alone, which finds those that are cut off or foreign, in
                about a millisecond each; else every byte is read and compared with its checksum.
        """
        faults: dict[str, str] = {}
        done = {number for number, _ in self._done(faults, quick)}
        for fault in faults.values():
            warnings.warn(f"{fault} It counts as missing.", BacklightWarning, stacklevel=2)
        return [number for number in range(self.plan.blocks) if number not in done]

    def damaged(self, quick: bool = False) -> dict[str, str]:
        """Why files do not count as blocks, by their names; see `missing`."""
        faults: dict[str, str] = {}
        for _ in self._done(faults, quick):
            pass
        return faults

    def write(
        self,
        block: int,
        ids: NDArray[np.integer[Any]],
        arrays: Mapping[str, NDArray[Any]],
        skipped: Sequence[Skipped] = (),
        notes: Mapping[str, str] | None = None,
    ) -> None:
        """Store a block, whole or not at all. One that is there already is replaced.

        Args:
            block: its number.
            ids: the candidates that have rows, rising, (n,).
            arrays: any names, n rows each, of NumPy's own dtypes. float32 ones with two or more axes
                are stored in the plan's dtype, all others as they are.
            skipped: the block's other candidates.
            notes: texts about the block, by name.

        Raises:
            InputError: a candidate of the block is in neither, or something is not as above.
            StoreError: it could not be written, as the disk is full say. What was written before stays.
        """
        given = {name: np.asarray(array) for name, array in arrays.items()}
        made = Block(np.asarray(ids, dtype=np.int64), given, tuple(skipped), notes or {})
        check_block(self.plan, block, made)
        try:
            self.folder.commit(
                file_name(block), lambda file: write_block(file, self.plan, block, made)
            )
        except OSError as error:
            raise StoreError(
                f"Block {block} could not be written into {self.folder}: "
                f"{error.strerror or reason(error)}. The blocks that are done stay: run the same again "
                "when that is mended, and it goes on with the others."
            ) from error

    def read(self, block: int) -> Block:
        """All that is stored of a block.

        Raises:
            StoreError: it is not there, or its file is damaged.
        """
        header = self._header(block)
        try:
            arrays = read_arrays(self.path(block), header, header.names)
        except InputError as error:
            raise again(error) from error
        return Block(arrays.pop("ids"), arrays, header.skipped, header.notes)

    def read_row(self, id: int) -> dict[str, NDArray[Any]]:
        """What is stored of one candidate, without reading the rest of its block, whose checksums are
        not compared then.

        Raises:
            InputError: there is no such candidate, or it was skipped, and why.
            StoreError: its block is not there, or its file is damaged.
        """
        if not 0 <= id < self.plan.count:
            raise InputError(f"There are {self.plan.count} candidates, numbered from 0; got {id}.")
        block = id // self.plan.block_length
        header = self._header(block)
        for one in header.skipped:
            if one.id == id:
                raise InputError(f"Nothing is stored of number {id}, which was skipped: {one}.")
        try:
            with self.path(block).open("rb") as file:
                ids = header.members["ids"]
                k = int(np.searchsorted(stored_rows(file, ids, 0, *ids.shape), id))
                rows = {
                    name: stored_rows(file, member, k, k + 1)
                    for name, member in header.members.items()
                    if member.shape
                }
        except (InputError, OSError) as error:
            raise again(error) from error
        return {name: np.asarray(header.unscaled(name, rows)[0]) for name in header.names}

    def columns(self) -> dict[str, Column]:
        """What the blocks that are done hold; some may lack some."""
        found: dict[str, Column] = {}
        for _, header in self._done({}, quick=True):
            for name in header.names:
                member = header.members[name]
                dtype = np.dtype(np.float32) if name in header.scaled else member.dtype
                found.setdefault(name, Column(dtype, member.shape[1:]))
        return found

    def column(self, name: str) -> tuple[NDArray[np.int64], NDArray[Any]]:
        """One array of all blocks that are done and have it, and the ids of its rows: (n,), (n, ...).

        Raises:
            UnknownNameError: no block has it.
            StoreError: a block is damaged.
        """
        ids: list[NDArray[np.int64]] = []
        rows: list[NDArray[Any]] = []
        for number, header in self._done({}, quick=True):
            if name in header.names:
                try:
                    found = read_arrays(self.path(number), header, [name])
                except InputError as error:
                    raise again(error) from error
                ids.append(found["ids"])
                rows.append(found[name])
        if not rows:
            raise UnknownNameError("array of the store", name, self.columns())
        return np.concatenate(ids), np.concatenate(rows)

    def skipped(self) -> tuple[Skipped, ...]:
        """The candidates that could not be read, of the blocks that are done."""
        return tuple(one for _, header in self._done({}, quick=True) for one in header.skipped)

    def notes(self) -> dict[str, str]:
        """The texts about the blocks that are done; of those with one name the first."""
        found: dict[str, str] = {}
        for _, header in self._done({}, quick=True):
            found = {**header.notes, **found}
        return found

    def _done(self, faults: dict[str, str], quick: bool) -> Iterator[tuple[int, Header]]:
        """The blocks whose files are sound, in order; what is wrong with others goes into `faults`."""
        for name in sorted(self.folder.names()):
            match = FILE.fullmatch(name)
            if match is None or name != file_name(int(match[1])):
                continue
            try:
                header = self._read_header(int(match[1]))
                if not quick:
                    check_whole(self.folder.file(name))
            except InputError as error:
                faults[name] = str(error)
            else:
                yield int(match[1]), header

    @cached_property
    def _headers(self) -> dict[int, tuple[str, Header]]:
        """Headers that were read, `MOST_HEADERS` at most, and of which file: each column is looked for in
        all of them."""
        return {}

    def _read_header(self, block: int) -> Header:
        stamp = self.folder.stamp(file_name(block))
        known, header = self._headers.get(block, (None, None))
        if known != stamp or header is None:
            header = read_header(self.path(block), self.plan, block)
            if block in self._headers or len(self._headers) < MOST_HEADERS:
                self._headers[block] = stamp, header
        return header

    def _header(self, block: int) -> Header:
        try:
            return self._read_header(block)
        except FileNotFoundError:
            raise StoreError(
                f"Block {block} is not done: there is no {self.path(block)}."
            ) from None
        except InputError as error:
            raise again(error) from error


def file_name(block: int) -> str:
    return f"block-{block:06}.npz"


def again(error: Exception) -> StoreError:
    """What is raised for a block's file that cannot be read."""
    return StoreError(f"{reason(error)}. Run the same again: what is damaged is made anew.")
