"""One file of a store: all that is stored of a block of candidates.

It is an `.npz` archive, not deflated, with a checksum (CRC-32) of each array as zip has them:

- `about`: JSON with the format, the plan's digest, the block's number, the names of the arrays and which
  of them are scaled, the candidates that were skipped, and notes;
- `ids`: the numbers of the candidates that the arrays have rows for, int64;
- the arrays under names of their own, and for a scaled one, float16, the scales, float32, (n,), under
  `scale/` and its name.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, field
from typing import Any, BinaryIO, final
from zipfile import ZIP_STORED, ZipFile, ZipInfo

import numpy as np
from numpy.typing import NDArray

from backlight.attribution.saving import NOT_OURS
from backlight.errors import InputError, reason, shown
from backlight.termination import uninterrupted
from backlight_datasets.members import Member, members_of, read_whole
from backlight_datasets.plan import FORMAT, Plan
from backlight_datasets.scaled import scaled, unscaled
from backlight_datasets.source import Skipped
from backlight_datasets.storage.folder import File

OWN = ("about", "ids")
SCALE = "scale/"


@final
@dataclass(frozen=True)
class Block:
    """What is stored of a block.

    Attributes:
        ids: of the candidates that have rows, rising, int64, (n,).
        arrays: by name, n rows each.
        skipped: the block's other candidates.
        notes: texts about the block, by name.
    """

    ids: NDArray[np.int64]
    arrays: Mapping[str, NDArray[Any]]
    skipped: tuple[Skipped, ...] = ()
    notes: Mapping[str, str] = field(default_factory=dict)


@final
@dataclass(frozen=True)
class Header:
    """What a block's file says without its numbers being read."""

    members: Mapping[str, Member]
    names: tuple[str, ...]
    scaled: frozenset[str]
    skipped: tuple[Skipped, ...]
    notes: Mapping[str, str]

    def unscaled(self, name: str, stored: Mapping[str, NDArray[Any]]) -> NDArray[Any]:
        """An array as it was given, from those of the file."""
        if name not in self.scaled:
            return stored[name]
        return unscaled(stored[name], stored[f"{SCALE}{name}"])

    def stored_names(self, name: str) -> tuple[str, ...]:
        """The arrays of the file that this one is made from."""
        return (name, f"{SCALE}{name}") if name in self.scaled else (name,)


def check_block(plan: Plan, number: int, block: Block) -> None:
    """Raise InputError where something is not as a block must be."""
    if not 0 <= number < plan.blocks:
        raise InputError(f"The plan has blocks 0 to {plan.blocks - 1}; there is no block {number}.")
    start, stop = plan.rows(number)
    listed = sorted([*block.ids.tolist(), *(one.id for one in block.skipped)])
    if listed != list(range(start, stop)) or (np.diff(block.ids) < 1).any():
        raise InputError(
            f"Block {number} is of the candidates {start} to {stop - 1}; each must be either in the ids, "
            f"which rise, or among the skipped, once. Got ids {shown(block.ids.tolist())} and "
            f"{len(block.skipped)} skipped."
        )
    for name, array in block.arrays.items():
        if not name or name in OWN or name.startswith(SCALE) or name.endswith(".npy"):
            raise InputError(
                f"An array cannot be called {shown(name)}: about, ids and scale/ are the store's own, "
                "and NumPy takes the ending .npy away."
            )
        if array.shape[:1] != block.ids.shape:
            raise InputError(
                f"{name} must have a row for each of the {len(block.ids)} ids, got shape {array.shape}."
            )
        if array.dtype.kind not in "biufcSU":
            raise InputError(
                f"{name} is of dtype {array.dtype}, which NumPy alone cannot read again; give numbers "
                "of a dtype of its own, such as float32."
            )


def write_block(file: BinaryIO, plan: Plan, number: int, block: Block) -> None:
    arrays: dict[str, NDArray[Any]] = {"ids": block.ids}
    narrow: list[str] = []
    for name, array in block.arrays.items():
        if plan.dtype == "float16" and array.dtype == np.float32 and array.ndim > 1:
            arrays[name], arrays[f"{SCALE}{name}"] = scaled(array)
            narrow.append(name)
        else:
            arrays[name] = array
    about = {
        "format": FORMAT,
        "plan": plan.digest,
        "block": number,
        "arrays": list(block.arrays),
        "scaled": narrow,
        "skipped": [astuple(one) for one in block.skipped],
        "notes": dict(sorted(block.notes.items())),
    }
    # An archive cannot be closed while one of its members is being written.
    with uninterrupted(), ZipFile(file, "w", ZIP_STORED) as archive:
        for name, array in {"about": np.array(json.dumps(about)), **arrays}.items():
            with archive.open(ZipInfo(f"{name}.npy"), "w", force_zip64=True) as member:
                np.lib.format.write_array(member, np.asarray(array, order="C"), allow_pickle=False)


def read_header(path: File, plan: Plan, number: int) -> Header:
    """What the file says, once it is seen to be this block of this plan.

    Raises:
        InputError: it is not, or it is damaged as far as can be seen without reading the numbers.
    """
    members = members_of(path)
    if "about" not in members:
        raise InputError(f"{path} has no notes.")
    text = str(read_whole(path, {"about": members["about"]})["about"][()])
    try:
        about = json.loads(text)
        found = about["format"], about["plan"], about["block"]
        header = Header(
            members,
            tuple(about["arrays"]),
            frozenset(about["scaled"]),
            tuple(Skipped(*one) for one in about["skipped"]),
            dict(about.get("notes", {})),  # which older stores have not
        )
    except NOT_OURS as error:
        raise InputError(f"{path} has notes that cannot be read: {reason(error)}.") from error
    if found != (FORMAT, plan.digest, number):
        raise InputError(
            f"{path} is of format {found[0]}, plan {shown(found[1])[1:13]} and block {found[2]}; format "
            f"{FORMAT}, plan {plan.digest[:12]} and block {number} belong here."
        )
    wanted = {one for name in header.names for one in header.stored_names(name)}
    if lost := wanted.union(OWN) - members.keys():
        raise InputError(f"{path} lacks {', '.join(sorted(lost))}.")
    return header


def read_arrays(path: File, header: Header, names: Sequence[str]) -> dict[str, NDArray[Any]]:
    """These arrays and the ids, their checksums compared; InputError where one is damaged."""
    wanted = [one for name in names for one in header.stored_names(name)]
    stored = read_whole(path, {one: header.members[one] for one in ("ids", *wanted)})
    return {"ids": stored["ids"], **{name: header.unscaled(name, stored) for name in names}}
