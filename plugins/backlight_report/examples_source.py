"""The data that the command line names: a folder of pictures, an `.npz` file, or a thing in code."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backlight import Examples
from backlight.errors import InputError
from backlight.plugins import plugins
from backlight.saving import NOT_OURS
from backlight_report.picture_folder import Colour, Size, Tick, read_folder
from backlight_report.reference import is_reference, load_reference, made


def load_examples(
    text: str,
    size: Size | None = None,
    colour: Colour | None = None,
    classes: tuple[str, ...] = (),
    tick: Tick = lambda done, total: None,
    options: Sequence[str] = (),
    most: int | None = None,
) -> Examples:
    """Labelled examples from what the user named; see `read_folder` for the other arguments.

    Args:
        options: those that the user gave and that only pictures in files can follow.

    Raises:
        InputError: nothing is there, it holds no examples, or an option does not apply to it.
    """
    if is_reference(text):
        refuse(options, text)
        found = made(load_reference(text), text)
        if not isinstance(found, Examples):
            raise InputError(
                f"{text} is a {type(found).__module__}.{type(found).__qualname__}; it must be "
                "backlight.Examples, or a function without required arguments that returns them."
            )
        return replace(found, classes=classes or found.classes)
    path = Path(text)
    if not path.exists():
        raise InputError(
            f"No such data: {text}. Give a folder with a sub-folder of pictures per class, an .npz "
            "file with x and y, or file.py:name or package.module:name of backlight.Examples."
        )
    offered = plugins().first("backlight_load_examples", Examples, path=path)
    if offered is not None:
        refuse(options, text)
        return replace(offered, classes=classes or offered.classes)
    if path.is_dir():
        return read_folder(path, size, colour, classes, tick, most)
    if path.suffix == ".npz":
        refuse(options, text)
        return read_npz(path, classes)
    reasons = plugins().left_out("backlight_load_examples")
    raise InputError(
        f"{' '.join((f'No installed plugin reads {path} as data.', *reasons))} Give a folder with a "
        "sub-folder of pictures per class, or an .npz file with x and y."
    )


def refuse(options: Sequence[str], text: str) -> None:
    """Raise InputError for options that would do nothing."""
    if options:
        raise InputError(
            f"{' and '.join(options)} can be said for pictures in files only; the arrays of {text} "
            "are taken as they are."
        )


def read_npz(path: Path, classes: tuple[str, ...] = ()) -> Examples:
    """Arrays `x` (or `images`) and `y` (or `labels`), and `classes` if it has names for them."""
    arrays = arrays_in(path)
    x = next((arrays[name] for name in ("x", "images") if name in arrays), None)
    y = next((arrays[name] for name in ("y", "labels") if name in arrays), None)
    if x is None or y is None:
        raise InputError(
            f"{path} must hold x (or images) and y (or labels); it holds {', '.join(arrays) or 'none'}."
        )
    if y.ndim != 1 or y.dtype.kind not in "iu":
        raise InputError(
            f"The labels in {path} must be whole numbers, one per example, got {y.dtype} {y.shape}."
        )
    if x.ndim == 0:
        raise InputError(
            f"The examples in {path} must be an array with one row each, got one value."
        )
    stored = arrays.get("classes", np.array((), dtype=str))
    if stored.ndim != 1:
        raise InputError(
            f"The classes in {path} must be a list of names, got an array of shape {stored.shape}."
        )
    named = classes or tuple(str(name) for name in stored)
    return Examples(x, y.astype(np.int64), named)


def arrays_in(path: Path) -> dict[str, NDArray[Any]]:
    """The arrays of an archive by their names."""
    try:
        with path.open("rb") as file:  # NumPy leaves a file open that is no archive
            stored = np.load(file, allow_pickle=False)
            if isinstance(stored, np.ndarray):
                raise InputError(
                    f"{path} holds one array without a name (.npy); write an archive with "
                    "numpy.savez(file, x=..., y=...)."
                )
            return dict(stored)
    except InputError:
        raise
    except (OSError, *NOT_OURS) as error:
        raise InputError(f"{path} could not be read: {type(error).__name__}: {error}.") from error


def read_classes(path: Path) -> tuple[str, ...]:
    """Class names in the model's order, one a line."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"The class names in {path} could not be read: {error}.") from error
    names = tuple(line.strip() for line in lines if line.strip())
    if len(set(names)) < len(names) or not names:
        raise InputError(f"{path} must hold a different class name on each line.")
    return names
