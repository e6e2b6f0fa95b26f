"""What a store is to hold, said before its first block is written."""

import json
import warnings
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from hashlib import sha256
from importlib import metadata
from typing import Any, Literal, TypeAlias, final

from backlight.errors import BacklightWarning, HyperParameterError, is_whole, reason, shown
from backlight.version import __version__
from backlight_datasets.errors import StoreError
from backlight_datasets.reading import blocks_of, rows_of
from backlight_datasets.storage.folder import Folder

FORMAT = 1
NAME = "plan.json"

Json: TypeAlias = "bool | int | float | str | list[Json] | Mapping[str, Json] | None"


def versions(*packages: str) -> dict[str, str]:
    """Of Backlight, NumPy, and other installed packages that the numbers depend on."""
    found = {name: metadata.version(name) for name in ("numpy", *packages)}
    return {"backlight": __version__, **found}


@final
@dataclass(frozen=True, kw_only=True)
class Plan:
    """All that the numbers of a store depend on. Two runs of one plan write the same bytes.

    Attributes:
        count: how many candidates there are.
        block_length: candidates per block, at least 1. It is part of the plan as the last bits of
            results depend on what else is in a block.
        dtype: of float32 arrays of two or more axes in the store. "float16" takes half of the room,
            with a scale per example; errors are at most 2^-11 of a number, or for the tiniest 2^-39
            of the example's largest.
        techniques: each as its `repr`.
        targets: what is asked about each example, in words.
        data: the source's fingerprint.
        model: what tells the model from others: the digest of its weights.
        options: whatever else the numbers depend on: the preprocessing, a seed, the cases' rule.
        versions: of the packages that the numbers depend on.
    """

    count: int
    block_length: int
    dtype: Literal["float32", "float16"] = "float32"
    techniques: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    data: str = ""
    model: str = ""
    options: Mapping[str, Json] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=versions)

    def __post_init__(self) -> None:
        if self.count < 0 or self.block_length < 1 or self.dtype not in ("float32", "float16"):
            raise HyperParameterError(
                "A plan has a count of at least 0, a block_length of at least 1, and a dtype float32 or "
                f"float16; got {self.count}, {self.block_length} and {shown(self.dtype)}."
            )
        try:
            json.dumps([self.options, self.versions], allow_nan=False)
        except (TypeError, ValueError) as error:
            raise HyperParameterError(
                f"A plan's options and versions are texts, finite numbers, lists and dicts: {error}."
            ) from error

    @property
    def blocks(self) -> int:
        return blocks_of(self.count, self.block_length)

    def rows(self, block: int) -> tuple[int, int]:
        """The first candidate of a block, and the one after its last."""
        return rows_of(block, self.block_length, self.count)

    @property
    def text(self) -> str:
        """The plan as it is in its file."""
        return json.dumps({"format": FORMAT, **asdict(self)}, indent=1, sort_keys=True) + "\n"

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the text, hexadecimal: what blocks say to which plan they belong."""
        return sha256(self.text.encode()).hexdigest()


def begin(folder: Folder, plan: Plan, may_replace: Callable[[], bool] = lambda: False) -> None:
    """Write the plan into the folder, or see that the one which is there is the same.

    Args:
        may_replace: asked where another one is there: whether this takes its place, which a warning says.

    Raises:
        StoreError: another plan is there, which entries differ is said; or it cannot be written.
    """
    try:
        folder.make()
        if not folder.exists(NAME):
            folder.clear(NAME)
            write(folder, plan, first=True)
    except FileExistsError:
        pass  # Another process was first.
    except NotADirectoryError:
        raise StoreError(f"{folder} is a file; a store is a folder.") from None
    except OSError as error:
        raise unwritable(folder, error) from error
    there, wanted = entries(folder), flat(json.loads(plan.text))
    differing = [name for name in sorted({*there, *wanted}) if there.get(name) != wanted.get(name)]
    if differing and may_replace():
        try:
            write(folder, plan)
        except OSError as error:
            raise unwritable(folder, error) from error
        warnings.warn(
            f"Another plan was begun in {folder}, and no block of it was done: this one takes its place.",
            BacklightWarning,
            stacklevel=3,
        )
    elif differing:
        said = "; ".join(
            f"{name}: {entry(there, name)} there, {entry(wanted, name)} now" for name in differing
        )
        raise StoreError(
            f"The store in {folder} was begun with another plan and cannot be gone on with. {said}. Run "
            "what it was begun with, name another folder, or delete this one to begin again."
        )


def write(folder: Folder, plan: Plan, first: bool = False) -> None:
    """See `Folder.commit`."""
    folder.commit(NAME, lambda file: file.write(plan.text.encode()), first=first)


def unwritable(folder: Folder, error: OSError) -> StoreError:
    why = error.strerror or reason(error)
    return StoreError(f"The plan of {folder} could not be written: {why}.")


def read_plan(folder: Folder) -> Plan:
    """The plan of a store.

    Raises:
        StoreError: there is none, or it is damaged or of a later format.
    """
    found = stored(folder)
    try:
        known = {name: value for name, value in found.items() if name != "format"}
        lists = {name: tuple(known[name]) for name in ("techniques", "targets")}
        return Plan(**{**known, **lists})
    except (KeyError, TypeError, HyperParameterError) as error:
        raise damaged(folder, error) from error


def entry(found: Mapping[str, Json], name: str) -> str:
    return shown(found[name]) if name in found else "nothing"


def entries(folder: Folder) -> dict[str, Json]:
    return flat(stored(folder))


def stored(folder: Folder) -> dict[str, Any]:
    try:
        found = json.loads(folder.read(NAME))
    except FileNotFoundError as error:
        raise StoreError(f"{folder} holds no store: there is no {NAME}.") from error
    except (OSError, ValueError) as error:
        raise damaged(folder, error) from error
    if not isinstance(found, dict) or not is_whole(found.get("format")):
        raise damaged(folder, TypeError("it names no format, a whole number"))
    if found["format"] != FORMAT:
        raise StoreError(
            f"{folder.file(NAME)} is of format {found['format']}; this is Backlight {__version__}, which "
            f"reads format {FORMAT}."
        )
    return found


def damaged(folder: Folder, error: Exception) -> StoreError:
    return StoreError(
        f"{folder.file(NAME)} is no plan that can be read: {type(error).__name__}: {error}. Name another "
        "folder; or, if this is a store and nothing else, delete it to begin again."
    )


def flat(found: Mapping[str, Json]) -> dict[str, Json]:
    """Entries by name, those of `options` and `versions` as `options.seed`."""
    result: dict[str, Json] = {}
    for name, value in found.items():
        if name in ("options", "versions") and isinstance(value, Mapping):
            result |= {f"{name}.{inner}": one for inner, one in value.items()}
        else:
            result[name] = value
    return result
