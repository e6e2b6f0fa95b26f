"""An attribution in a file: an `.npz` archive of arrays, and of notes in JSON. No pickle."""

import json
import lzma
import os
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields, is_dataclass, replace
from math import inf
from pathlib import Path
from typing import Any, final, get_args

import numpy as np
from numpy.typing import NDArray

from backlight.attribution.described import DescribedInput, InputKind
from backlight.errors import InputError, is_real, is_whole, reason, shown
from backlight.partial import abandoned, hidden
from backlight.values.layout import Layout
from backlight.values.tree import Tree, leaves, names
from backlight.version import __version__

FORMAT = 2
"""In format 1 the standard error of the sum was called `standard_error`, and there was none of each
value."""

OF_SUM = "standard_error_of_sum"

GIVEN = "given"
"""What the arrays of the inputs are called, each with its number behind it."""

INPUT = {field.name for field in fields(DescribedInput)} - {GIVEN}

TREES = {"standard_error": 0, "each": 1}
"""What there may be beside the values in their structure, with the axis of the examples."""

NOT_OURS = (
    AttributeError,
    EOFError,
    IndexError,
    KeyError,
    MemoryError,
    NotImplementedError,
    OSError,
    OverflowError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    lzma.LZMAError,
    struct.error,
    tokenize.TokenError,
    zipfile.BadZipFile,
    zlib.error,
)
"""What NumPy, zip and JSON raise over a file that is cut off, damaged or of another kind."""


@final
@dataclass(frozen=True)
class Column:
    """One number per example.

    Attributes:
        dtype: of the array.
        least: that a number can be; NaN is never one.
        optional: whether there may be none, which is also how files of earlier versions are read.
    """

    dtype: type[np.float64 | np.int64]
    least: float = -inf
    optional: bool = True


@final
@dataclass(frozen=True)
class Note:
    """What is said of the whole, in JSON.

    Attributes:
        rule: what it must be, in words.
        holds: whether JSON's value is that.
        kept: the field's value from JSON's.
        before: the field's value in files of versions without such a note; `...` where all have had it.
    """

    rule: str
    holds: Callable[[Any], bool]
    kept: Callable[[Any], object] = lambda value: value
    before: object = ...


def is_text(value: object) -> bool:
    return isinstance(value, str)


def is_texts(value: object) -> bool:
    return isinstance(value, list) and all(map(is_text, value))


def is_grid(value: object) -> bool:
    return value is None or (isinstance(value, list) and all(map(is_whole, value)))


def are_layouts(value: object) -> bool:
    names = {field.name for field in fields(Layout)}
    return isinstance(value, list) and all(
        one is None
        or (
            isinstance(one, dict)
            and one.keys() == names
            and isinstance(one["grid"], list)
            and all(is_whole(number) for number in one["grid"])
        )
        for one in value
    )


def are_inputs(value: object) -> bool:
    return isinstance(value, list) and all(is_input(one) for one in value)


def is_input(value: object) -> bool:
    if not isinstance(value, dict) or value.keys() != INPUT:
        return False
    rows = value["tokens"], value["words"]
    return (
        value["kind"] in get_args(InputKind)
        and is_texts(value["names"])
        and are_layouts([value["layout"]])
        and all(
            isinstance(part, list) and all(isinstance(row, list) for row in part) for part in rows
        )
        and all(map(is_texts, value["tokens"]))
        and all(is_whole(word) for row in value["words"] for word in row)
        and [len(row) for row in value["tokens"]] == [len(row) for row in value["words"]]
    )


def inputs_of(value: list[dict[str, Any]]) -> tuple[DescribedInput, ...]:
    return tuple(
        DescribedInput(
            one["kind"],
            tuple(one["names"]),
            tuple(map(tuple, one["tokens"])),
            tuple(map(tuple, one["words"])),
            layout=layouts_of([one["layout"]])[0],
        )
        for one in value
    )


def layouts_of(value: list[dict[str, Any] | None]) -> tuple[Layout | None, ...]:
    return tuple(
        None if one is None else Layout(**{**one, "grid": tuple(one["grid"])}) for one in value
    )


COLUMNS = {
    "score": Column(np.float64, optional=False),
    "baseline_score": Column(np.float64),
    "gap": Column(np.float64, least=0),
    "error": Column(np.float64, least=0),
    OF_SUM: Column(np.float64, least=0),
    "r_squared": Column(np.float64),
    "classes": Column(np.int64, least=0),
    "rivals": Column(np.int64, least=0),
}
"""The fields of an attribution that are stored as arrays; the values have names of their own."""

NOTES = {
    "method": Note("a text", is_text),
    "target": Note("a text", is_text),
    "predicted": Note("true or false", lambda value: isinstance(value, bool)),
    "at": Note("a text or null", lambda value: value is None or is_text(value)),
    "seed": Note("a whole number or null", lambda value: value is None or is_whole(value)),
    "framework": Note("a text", is_text),
    "framework_version": Note("a text", is_text),
    "warnings": Note("a list of texts", is_texts, tuple),
    "seconds": Note("a number from 0", lambda value: is_real(value) and value >= 0, float),
    "version": Note("a text", is_text),
    "layouts": Note("a list of layouts or nulls", are_layouts, layouts_of, before=()),
    "inputs": Note("a list of inputs with their kinds and names", are_inputs, inputs_of, before=()),
    "unit": Note("a text", is_text, before=""),
    "grid": Note(
        "a list of whole numbers or null",
        is_grid,
        lambda value: None if value is None else tuple(value),
        before=None,
    ),
    "class_names": Note(
        "a list of texts or null",
        lambda value: value is None or is_texts(value),
        lambda value: None if value is None else tuple(value),
        before=None,
    ),
}
"""The other fields."""


def plain(value: Any) -> object:
    """What JSON does not know: NumPy's integers, as a seed may be one, layouts, and inputs, whose numbers
    are arrays of the file."""
    if isinstance(value, DescribedInput):
        value = replace(value, given=None)
        return {name: part for name, part in asdict(value).items() if name != GIVEN}
    return asdict(value) if is_dataclass(value) and not isinstance(value, type) else int(value)


def write(
    path: str | os.PathLike[str],
    values: Tree[NDArray[np.generic]],
    more: Mapping[str, Tree[NDArray[np.generic]] | None],
    known: Mapping[str, Any],
) -> None:
    """Write the file whole or not at all; `values`, and what there is of `TREES`, are NumPy arrays."""
    arrays = members("values", values)
    for name, there in more.items():
        if there is not None:
            arrays |= members(name, there)
    arrays |= {name: known[name] for name in COLUMNS if known[name] is not None}
    arrays |= {
        f"{GIVEN}/{number}": one.given
        for number, one in enumerate(known["inputs"])
        if one.given is not None
    }
    structure = "dict" if isinstance(values, dict) else "tuple" if isinstance(values, tuple) else ""
    about = {"format": FORMAT, "structure": structure, "arrays": list(arrays)}
    about |= {name: known[name] for name in NOTES}
    target = Path(path)
    if not target.parent.is_dir():
        raise FileNotFoundError(f"There is no folder {target.parent} to write {target.name} into.")
    for left in abandoned(target, "partial"):
        left.unlink(missing_ok=True)
    partial = hidden(target, "partial")
    try:
        with partial.open("wb") as file:
            text = json.dumps(about, default=plain)
            np.savez_compressed(file, about=np.array(text), **arrays)  # type: ignore[arg-type]
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)


def read(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The fields of an attribution, checked.

    Raises:
        FileNotFoundError: there is no such file.
        InputError: it is not such a file, or one of a later format.
    """
    try:
        arrays = arrays_in(Path(path))
        about = about_in(arrays)
        if about["format"] <= FORMAT:
            if about["format"] == 1 and "standard_error" in arrays:
                arrays[OF_SUM] = arrays.pop("standard_error")
            columns = {name: column(name, arrays) for name in COLUMNS}
            notes: dict[str, Any] = {name: note(name, about) for name in NOTES}
            trees = {name: tree(name, arrays, about) for name in ("values", *TREES)}
            inputs = tuple(
                replace(one, given=arrays.get(f"{GIVEN}/{number}"))
                for number, one in enumerate(notes["inputs"])
            )
            return {**columns, **notes, **trees, "inputs": inputs}
    except FileNotFoundError:
        raise
    except (InputError, *NOT_OURS) as error:
        raise InputError(
            f"{os.fspath(path)} is not a saved attribution: {reason(error)}."
        ) from error
    raise InputError(
        f"{os.fspath(path)} was written by Backlight {shown(about.get('version'))} in format "
        f"{about['format']}; this is {__version__}, which reads up to format {FORMAT}."
    )


def arrays_in(path: Path) -> dict[str, NDArray[np.generic]]:
    """Every array by name. A member is read to its end, which is where its checksum is compared."""
    found: dict[str, NDArray[np.generic]] = {}
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            name = member.filename.removesuffix(".npy")
            if name in found:
                raise InputError(f"it has {shown(name)} twice")
            with archive.open(member) as file:
                found[name] = np.lib.format.read_array(file, allow_pickle=False)
                if file.read(1):
                    raise InputError(f"there is more than one array in {shown(name)}")
    return found


def about_in(arrays: Mapping[str, NDArray[np.generic]]) -> dict[str, Any]:
    """What is said of the whole, its format checked, and that the arrays which it lists are there."""
    if "about" not in arrays:
        raise InputError("it has no notes")
    about = json.loads(str(arrays["about"]))
    if not isinstance(about, dict) or not is_whole(about.get("format")) or about["format"] < 1:
        raise InputError("its notes name no format, a whole number from 1")
    lost = set(about.get("arrays", ())) - arrays.keys()
    if lost:
        raise InputError(f"it lacks {', '.join(sorted(lost))}")
    return about


def column(name: str, arrays: Mapping[str, NDArray[np.generic]]) -> NDArray[np.generic] | None:
    rule = COLUMNS[name]
    if name not in arrays:
        if not rule.optional:
            raise InputError(f"it has no {name}")
        return None
    array, count = arrays[name], arrays["score"].size
    if array.dtype.kind != np.dtype(rule.dtype).kind or array.shape != (count,) or not count:
        raise InputError(
            f"its {name} must be {count or 'some'} numbers of dtype {np.dtype(rule.dtype)}, got shape "
            f"{array.shape} and dtype {array.dtype}"
        )
    numbers = array.astype(rule.dtype, copy=False)
    if not (numbers >= rule.least).all():  # NaN is not
        least = "no NaN" if rule.least == -inf else f"at least {rule.least}"
        raise InputError(f"its {name} must be {least}, got {shown(numbers)}")
    return numbers


def members(prefix: str, tree: Tree[NDArray[np.generic]]) -> dict[str, NDArray[np.generic]]:
    """The arrays of a tree by the names that they have in a file."""
    return {
        f"{prefix}/{name}": np.asarray(leaf)
        for name, leaf in zip(names(tree), leaves(tree), strict=True)
    }


def tree(
    what: str, arrays: Mapping[str, NDArray[np.generic]], about: Mapping[str, Any]
) -> object | None:
    """The values, or what there may be beside them."""
    parts = {
        name.removeprefix(f"{what}/"): array
        for name, array in arrays.items()
        if name.startswith(f"{what}/")
    }
    if not parts and what != "values":
        return None
    count, axis = len(arrays["score"]), TREES.get(what, 0)
    for name, part in parts.items():
        if part.dtype.kind not in "fciu" or part.shape[axis : axis + 1] != (count,):
            raise InputError(
                f"its {what} {name} must be numbers for {count} examples, got shape {part.shape} and "
                f"dtype {part.dtype}"
            )
        if not np.isfinite(part).all():
            raise InputError(f"its {what} {name} must be finite")
    structure = about.get("structure")
    if structure == "dict" and parts:
        return parts
    if structure == "tuple" and parts:
        return tuple(parts.values())
    if structure == "" and len(parts) == 1:
        return next(iter(parts.values()))
    raise InputError(f"its {len(parts)} {what} are not of a structure {shown(structure)}")


def note(name: str, about: Mapping[str, Any]) -> object:
    rule = NOTES[name]
    if name not in about and rule.before is not ...:
        return rule.before
    if name not in about or not rule.holds(about[name]):
        seen = shown(about[name]) if name in about else "nothing"
        raise InputError(f"its {name} must be {rule.rule}, got {seen}")
    return rule.kept(about[name])
