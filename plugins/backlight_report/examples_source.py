"""The data that the command line names: a folder of pictures, an `.npz` file, or a thing in code."""

import zipfile
from pathlib import Path

import numpy as np

from backlight import Examples
from backlight.errors import InputError
from backlight.plugins import plugins
from backlight_report.picture_folder import Colour, Size, Tick, read_folder
from backlight_report.reference import is_reference, load_reference, made


def load_examples(
    text: str,
    size: Size | None = None,
    colour: Colour | None = None,
    classes: tuple[str, ...] = (),
    tick: Tick = lambda done, total: None,
) -> Examples:
    """Labelled examples from what the user named; see `read_folder` for the other arguments.

    Raises:
        InputError: nothing is there, or it holds no examples.
    """
    if is_reference(text):
        found = made(load_reference(text), text)
        if not isinstance(found, Examples):
            raise InputError(
                f"{text} is a {type(found).__module__}.{type(found).__qualname__}; it must be "
                "backlight.Examples, or a function without required arguments that returns them."
            )
        return found
    path = Path(text)
    if not path.exists():
        raise InputError(
            f"No such data: {text}. Give a folder with a sub-folder of pictures per class, an .npz "
            "file with x and y, or file.py:name or package.module:name of backlight.Examples."
        )
    offered: Examples | None = plugins().manager.hook.backlight_load_examples(path=path)
    if offered is not None:
        return offered
    if path.is_dir():
        return read_folder(path, size, colour, classes, tick)
    if path.suffix == ".npz":
        return read_npz(path, classes)
    raise InputError(
        f"No installed plugin reads {path} as data. Give a folder with a sub-folder of pictures per "
        "class, or an .npz file with x and y."
    )


def read_npz(path: Path, classes: tuple[str, ...] = ()) -> Examples:
    """Arrays `x` (or `images`) and `y` (or `labels`), and `classes` if it has names for them."""
    try:
        # Opened here, because NumPy leaves a file open that is no archive.
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            arrays = dict(stored)
    except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(f"{path} could not be read: {error}.") from error
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
    named = classes or tuple(str(name) for name in arrays.get("classes", ()))
    return Examples(x, y.astype(np.int64), named)


def read_classes(path: Path) -> tuple[str, ...]:
    """Class names in the model's order, one a line."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"The class names in {path} could not be read: {error}.") from error
    names = tuple(line.strip() for line in lines if line.strip())
    if len(set(names)) < len(names) or not names:
        raise InputError(f"{path} must hold a different class name on each line.")
    return names
