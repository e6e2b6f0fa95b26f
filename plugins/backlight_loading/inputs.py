"""The one input that the model is looked at with: a picture, an array, a thing in code, or a shape."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from backlight import Examples, Model
from backlight.attribution.saving import NOT_OURS
from backlight.errors import InputError
from backlight_loading.examples import load_examples, refuse
from backlight_loading.models import wanted_shape
from backlight_loading.picture_folders import UNREADABLE, read, stacked
from backlight_loading.preparation import Colour, Size, preparation, wanted_picture
from backlight_loading.preprocessing import Preprocessing
from backlight_loading.references import is_reference, is_there, load_reference, made

SHAPE = "shape:"
ACCEPTED = (
    "Give a picture's path; an .npy file; a folder or an .npz file as `backlight report` takes; "
    "file.py:name of an array, of a tuple or dict of arrays, or of backlight.Examples; or "
    "shape:1x3x224x224 for random numbers."
)


@final
@dataclass(frozen=True)
class Reading:
    """How the user wants stored pictures to be read and prepared.

    Attributes:
        size, colour: None where nothing was said.
        preprocessing: from stored numbers to the model's input.
    """

    size: Size | None
    colour: Colour | None
    preprocessing: Preprocessing

    @property
    def of_files(self) -> list[str]:
        """The options said that only pictures in files can follow."""
        return [name for name in ("size", "colour") if getattr(self, name)]

    @property
    def of_numbers(self) -> list[str]:
        """The options said that change stored numbers."""
        said = self.preprocessing
        options = {
            "divide-by": said.divide_by is not None,
            "mean": said.mean,
            "std": said.std,
            "preprocess": said.function,
        }
        return [name for name, given in options.items() if given]


def in_code(text: str) -> object | None:
    """The arrays or Examples that a reference such as `file.py:name` names; None if it is none.

    Raises:
        InputError: it names something else, or cannot be loaded.
    """
    if text.startswith(SHAPE) or not is_reference(text):
        return None
    found = made(load_reference(text), text)
    if isinstance(found, Examples) or all(hasattr(one, "shape") for one in parts(found)):
        return found
    raise InputError(
        f"{text} is a {type(found).__module__}.{type(found).__qualname__}; it must be an array with "
        "the examples on axis 0, a tuple or dict of such arrays, backlight.Examples, or a function "
        "without required arguments that returns one of these."
    )


def parts(found: object) -> list[object]:
    """The arrays of a tree, if it is one."""
    if isinstance(found, dict):
        return list(found.values()) or [found]
    return list(found) or [found] if isinstance(found, tuple) else [found]


def load_input(
    text: str, found: object | None, net: object, model: Model, reading: Reading
) -> object:
    """What the model is called with: one array, a tuple or a dict.

    Args:
        text: what the user named.
        found: what `in_code` found for it.
        net: the network, which may say what pictures it wants.
        model: the network, wrapped.

    Raises:
        InputError: nothing is there, it cannot be read, or an option does not apply to it.
    """
    if text.startswith(SHAPE):
        refuse_all(reading, text)
        return random_numbers(text)
    if found is not None and not isinstance(found, Examples):
        refuse_all(reading, text)
        return found
    path = Path(text)
    if found is None and not is_there(path):
        raise InputError(f"No such input: {text}. {ACCEPTED}")
    prepared = preparation(net, model, reading.preprocessing)
    if isinstance(found, Examples):
        refuse(options(reading.of_files), text)
        return prepared(found.x[:1])
    if path.suffix == ".npy":
        refuse(options(reading.of_files), text)
        stored = array_in(path)
        pictures = stored.dtype == np.uint8 and stored.ndim >= 3
        return prepared(stored[:1]) if pictures or reading.of_numbers else stored
    size, colour = wanted_picture(wanted_shape(net), model.channels)
    size, colour = reading.size or size, reading.colour or colour
    if path.is_dir() or path.suffix == ".npz":
        examples = load_examples(text, size, colour, options=options(reading.of_files), most=1)
        return prepared(examples.x[:1])
    return prepared(read_picture(path, size, colour))


def read_picture(path: Path, size: Size | None, colour: Colour | None) -> NDArray[np.uint8]:
    """One picture, shape (1, H, W, channels)."""
    try:
        picture = read(path, size)
    except UNREADABLE as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"{path} could not be read as a picture: {reason}. {ACCEPTED}") from error
    mode = picture.mode if colour is None else {"grey": "L", "rgb": "RGB"}[colour]
    return stacked([picture.convert(mode)], [str(path)])


def array_in(path: Path) -> NDArray[Any]:
    """The array of an `.npy` file, at least one example on axis 0."""
    try:
        with path.open("rb") as file:
            stored = np.load(file, allow_pickle=False)
    except (OSError, *NOT_OURS) as error:
        raise InputError(f"{path} could not be read: {type(error).__name__}: {error}.") from error
    if not isinstance(stored, np.ndarray) or stored.ndim == 0 or not len(stored):
        raise InputError(f"{path} must hold one array with the examples on axis 0, at least one.")
    return stored


def random_numbers(text: str) -> NDArray[Any]:
    """Normally distributed numbers of the shape that `shape:1x3x224x224` says."""
    said = text.removeprefix(SHAPE)
    if not re.fullmatch(r"[1-9]\d*(x[1-9]\d*)*", said):
        raise InputError(
            f"A shape is written shape:1x3x224x224, the examples' axis first; got {text!r}."
        )
    rest = [int(part) for part in said.split("x")[1:]]
    try:
        # One example is all that is looked at.
        return np.random.default_rng(0).normal(size=(1, *rest)).astype(np.float32)
    except (MemoryError, ValueError) as error:
        raise InputError(f"{text} is too large: {error}.") from error


def refuse_all(reading: Reading, text: str) -> None:
    """Raise InputError for options that would do nothing to arrays in code."""
    said = options([*reading.of_files, *reading.of_numbers])
    if said:
        raise InputError(
            f"{' and '.join(said)} can be said for stored pictures only; {text} is taken as it is."
        )


def options(names: Sequence[str]) -> list[str]:
    return [f"--{name}" for name in names]
