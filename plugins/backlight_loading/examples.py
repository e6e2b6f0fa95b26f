"""The data that the command line names: a folder of pictures, an `.npz` file, or a thing in code."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from backlight import Examples
from backlight.attribution.saving import NOT_OURS
from backlight.errors import InputError
from backlight.plugins.entry_points import plugins
from backlight.values.examples import Labels, is_of_classes, labels_of
from backlight_loading.names import legible, named
from backlight_loading.preparation import Colour, Size, Tick
from backlight_loading.references import is_reference, is_there, load_reference, made

TAKEN = (
    "Give a folder with a sub-folder of pictures per class, an .npz file with x and y, or file.py:name "
    "or package.module:name of backlight.Examples."
)
"""What can be named, for messages."""


def load_examples(
    text: str,
    size: Size | None = None,
    colour: Colour | None = None,
    classes: tuple[str, ...] = (),
    tick: Tick = lambda done, total: None,
    options: Sequence[str] = (),
    most: int | None = None,
    taken: str = TAKEN,
) -> Examples:
    """Labelled examples from what the user named; see `read_folder` for the other arguments.

    Args:
        options: those that the user gave and that only pictures in files can follow.
        taken: what can be named instead, for messages.

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
        return renamed(found, classes, text)
    path = Path(text)
    if not is_there(path):
        raise InputError(f"No such data: {text}. {taken}")
    offered = plugins().first("backlight_load_examples", Examples, path=path)
    if offered is not None:
        refuse(options, text)
        return renamed(offered, classes, text)
    if path.is_dir():
        # Here and not above: what reads no pictures needs no Pillow.
        from backlight_loading.picture_folders import read_folder

        return read_folder(path, size, colour, classes, tick, most)
    if path.suffix == ".npz":
        refuse(options, text)
        return renamed(read_npz(path), classes, text)
    reasons = plugins().left_out("backlight_load_examples")
    raise InputError(" ".join((f"No installed plugin reads {path} as data.", *reasons, taken)))


def is_folder(text: str) -> bool:
    """Whether this names a folder of class folders, and nothing that a plugin or code gives."""
    path = Path(text)
    return (
        not is_reference(text)
        and is_there(path)
        and path.is_dir()
        and plugins().first("backlight_load_examples", Examples, path=path) is None
    )


def class_names_of(text: str) -> tuple[str, ...]:
    """The names of the class folders, where it is a folder of these; else none."""
    if not is_folder(text):
        return ()
    from backlight_loading.picture_folders import class_folders, folder_names

    return folder_names(class_folders(Path(text)))


def refuse(options: Sequence[str], text: str) -> None:
    """Raise InputError for options that would do nothing."""
    if options:
        raise InputError(
            f"{' and '.join(options)} can be said for pictures in files only; the arrays of {text} "
            "are taken as they are."
        )


def renamed(examples: Examples, classes: tuple[str, ...], text: str) -> Examples:
    """The examples with these classes, in the model's order.

    Labels of examples whose classes have the same names go with the names; others are numbers that
    stay as they are.

    Raises:
        InputError: only some of the examples' classes are among them.
    """
    if not classes or not len(examples.classes):
        return replace(examples, classes=classes or examples.classes)
    if not is_of_classes(examples.labels):
        labels = in_order(examples.labels, tuple(map(str, examples.classes)), classes, text)
        return replace(examples, labels=labels, classes=classes)
    places = [named(legible(str(name)), classes) for name in examples.classes]
    used = [k for k in np.unique(examples.labels).tolist() if 0 <= k < len(places)]
    if not any(places):
        return replace(examples, classes=classes)
    for k in used:
        if len(places[k]) != 1:
            count = "no" if not places[k] else "more than one"
            raise InputError(
                f"The class {examples.classes[k]!r} of {text} has {count} line in --classes that is "
                "called so. Give all names as the data has them, or other names for all."
            )
    found = np.array([place[0] if len(place) == 1 else -1 for place in places])
    fits = (examples.labels >= 0) & (examples.labels < len(found))
    labels = np.where(fits, found[np.where(fits, examples.labels, 0)], examples.labels)
    return replace(examples, labels=labels.astype(np.int64), classes=classes)


def in_order(
    labels: Labels, stored: tuple[str, ...], classes: tuple[str, ...], text: str
) -> Labels:
    """Labels (N, L) whose columns are called `stored`, in the order of `classes`, where these are the
    same names; as they are where none is.

    Raises:
        InputError: some are the same, and some are not.
    """
    same = set(stored) & set(classes)
    if not same or labels.ndim == 1:
        return labels
    if sorted(stored) != sorted(classes) or len(set(stored)) != len(stored):
        raise InputError(
            f"The labels of {text} are called {', '.join(stored[:6])}, and --classes names some of these "
            "and others: give all names as the data has them, or other names for all."
        )
    return labels[:, [stored.index(name) for name in classes]]


def read_npz(path: Path) -> Examples:
    """Arrays `x` (or `images`) and `y` (or `labels`), and `classes` if it has names for them."""
    arrays = arrays_in(path)
    x, y = x_and_y(arrays, path)
    classes = class_names(arrays.get("classes", np.array((), dtype=str)), path)
    return Examples(arrays[x], labels_of(arrays[y], f" in {path}"), classes)


class Described(Protocol):
    """An array, or what is known of one that is not read yet."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    @property
    def dtype(self) -> np.dtype[Any]: ...


def x_and_y(arrays: Mapping[str, Described], path: Path, labelled: bool = True) -> tuple[str, str]:
    """What the examples and the labels of an archive are called in it; "" for labels that are not there,
    unless it must be `labelled`."""
    x = next((name for name in ("x", "images") if name in arrays), None)
    y = next((name for name in ("y", "labels") if name in arrays), "")
    if x is None or (labelled and not y):
        wanted = "x (or images) and y (or labels)" if labelled else "x (or images)"
        raise InputError(f"{path} must hold {wanted}; it holds {', '.join(arrays) or 'none'}.")
    if not arrays[x].shape:
        raise InputError(
            f"The examples in {path} must be an array with one row each, got one value."
        )
    return x, y


def class_names(stored: NDArray[Any], path: Path) -> tuple[str, ...]:
    if stored.ndim != 1:
        raise InputError(
            f"The classes in {path} must be a list of names, got an array of shape {stored.shape}."
        )
    return tuple(str(name) for name in stored)


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
    """Class names in the model's order, one a line; some may have the same."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"The class names in {path} could not be read: {error}.") from error
    names = tuple(line.strip() for line in lines if line.strip())
    if not names:
        raise InputError(f"{path} must hold a class name on each line, and holds none.")
    return names


def reading_of(
    count: int, shape: tuple[int, ...], dtype: str, folder: bool, size: Size | None
) -> str:
    """How examples were read, in words.

    Args:
        count: how many.
        shape, dtype: of one, as it is stored.
        folder: whether they are pictures of class folders.
        size: that these were stretched to.
    """
    if not folder:
        sides = " \N{MULTIPLICATION SIGN} ".join(map(str, shape))
        return f"{count:,} arrays of {dtype}, {sides}"
    height, width, depth = shape
    colours = "grey" if depth == 1 else "RGB"
    side = f"{height} \N{MULTIPLICATION SIGN} {width}"
    fitted = f"stretched to {side} (bilinear)" if size else f"{side} as they are"
    return (
        f"{count:,} {colours} pictures from class folders, {fitted}; upright as their EXIF says, 8 bits "
        "scaled from 16, and the first frame of several"
    )
