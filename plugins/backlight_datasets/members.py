"""The arrays of an `.npz` file, some rows at a time."""

import os
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from io import BufferedIOBase, FileIO
from math import prod
from typing import Any, Literal, final
from zipfile import ZIP_STORED, ZipFile, ZipInfo

import numpy as np
from numpy.lib.format import MAGIC_PREFIX
from numpy.typing import NDArray

from backlight.attribution.saving import NOT_OURS
from backlight.errors import InputError, reason
from backlight_datasets.storage.folder import File

END = b"PK\5\6"
"""With what a zip file's last record begins."""

LENGTH_OF_END = 22
"""How many bytes that has where no comment follows."""

LOCAL_HEADER = struct.Struct("<26xHH")
"""Of a zip file's member: how long its name and its extra field are."""

HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


@final
@dataclass(frozen=True)
class Member:
    """An array of an archive, its numbers not read yet.

    Attributes:
        name: in the archive, with its ending.
        shape, dtype: of the array.
        rows_first: whether its rows lie one after the other.
        begin: where in the member's own bytes the numbers begin.
        place: where in the file they begin; None where they are deflated.
        size, checksum: of the member's bytes, as the archive's directory has them.
    """

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    rows_first: bool
    begin: int
    place: int | None
    size: int
    checksum: int

    @property
    def row_bytes(self) -> int:
        return prod(self.shape[1:]) * self.dtype.itemsize

    def shaped(self, data: bytes | bytearray, count: int) -> NDArray[Any]:
        """The bytes of so many rows as an array over them."""
        return np.ndarray((count, *self.shape[1:]), self.dtype, data)


def members_of(path: File) -> dict[str, Member]:
    """The arrays by their names, of which headers alone are read.

    Raises:
        InputError: it is no such archive, or a damaged one.
    """
    try:
        with path.open("rb") as file:
            if file.read(len(MAGIC_PREFIX)) == MAGIC_PREFIX:
                raise InputError(
                    "it holds one array without a name (.npy); write an archive with "
                    "numpy.savez(file, x=..., y=...)"
                )
            archive = ZipFile(file)
            arrays = [one for one in archive.infolist() if one.filename.endswith(".npy")]
            return {
                one.filename.removesuffix(".npy"): member_of(archive, one, file) for one in arrays
            }
    except (InputError, *NOT_OURS) as error:
        raise InputError(f"{path} could not be read: {reason(error)}.") from error


def member_of(archive: ZipFile, entry: ZipInfo, file: BufferedIOBase) -> Member:
    with archive.open(entry) as stream:
        version = np.lib.format.read_magic(stream)
        if version not in HEADERS:
            raise InputError(f"{entry.filename} is of a version {version} that is not known here")
        shape, columns_first, dtype = HEADERS[version](stream)
        begin = stream.tell()
    if dtype.hasobject:
        raise InputError(
            f"{entry.filename} holds Python objects, which are not loaded; rows of "
            "several lengths are to be brought to one"
        )
    if begin + prod(shape) * dtype.itemsize != entry.file_size:
        raise InputError(f"{entry.filename} is not as long as its header says")
    place = None
    if entry.compress_type == ZIP_STORED:
        file.seek(entry.header_offset)
        name, extra = LOCAL_HEADER.unpack(file.read(LOCAL_HEADER.size))
        place = entry.header_offset + LOCAL_HEADER.size + name + extra + begin
    rows_first = not columns_first or len(shape) < 2
    return Member(
        entry.filename, shape, dtype, rows_first, begin, place, entry.file_size, entry.CRC
    )


def stored_rows(
    file: FileIO | BufferedIOBase, member: Member, start: int, stop: int
) -> NDArray[Any]:
    """Some rows of a member that is not deflated.

    They are read and not mapped: mapped pages count as the process's memory, and end it where a file is
    cut off.
    """
    assert member.place is not None
    file.seek(member.place + start * member.row_bytes)
    data = bytearray((stop - start) * member.row_bytes)
    if file.readinto(data) != len(data):
        raise InputError(f"{member.name} ends before row {stop}")
    return member.shaped(data, stop - start)


def read_whole(path: File, members: Mapping[str, Member]) -> dict[str, NDArray[Any]]:
    """All numbers of these members, their checksums compared.

    Raises:
        InputError: one is damaged.
    """
    try:
        with path.open("rb") as file, ZipFile(file) as archive:
            return {name: read_member(archive, member) for name, member in members.items()}
    except (InputError, *NOT_OURS) as error:
        raise InputError(f"{path} could not be read: {reason(error)}.") from error


def read_member(archive: ZipFile, member: Member) -> NDArray[Any]:
    with archive.open(member.name) as stream:
        data = bytearray(stream.read(member.size))
        if len(data) != member.size or stream.read(1):  # at the end the checksum is compared
            raise InputError(f"{member.name} is not as long as the archive says")
    order: Literal["C", "F"] = "C" if member.rows_first else "F"
    return np.ndarray(member.shape, member.dtype, data, member.begin, order=order)


def check_whole(path: File) -> None:
    """Raise InputError where a byte of a member is not what it was, or something follows the archive."""
    try:
        with path.open("rb") as file, ZipFile(file) as archive:
            damaged = archive.testzip()
            file.seek(-LENGTH_OF_END, os.SEEK_END)
            ended = file.read(len(END)) == END
    except NOT_OURS as error:
        raise InputError(f"{path} could not be read: {reason(error)}.") from error
    if not ended:
        raise InputError(f"{path} is damaged: something follows the end of the archive.")
    if damaged is not None:
        raise InputError(f"{path} is damaged: {damaged} is not what its checksum says.")
