"""Masks, which say where the object is in each example: from an array, a file or a folder of pictures."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any, TypeAlias, final

import numpy as np
from numpy.typing import NDArray
from PIL import ImageOps

from backlight.attribution.saving import NOT_OURS
from backlight.errors import InputError
from backlight_loading.picture_folders import UNREADABLE, open_picture, why

MaskArray: TypeAlias = NDArray[np.bool_]
"""True where the object is, (H, W) of one example or (n, H, W) of several."""

LOSSY = ("JPEG", "WEBP")
"""Formats whose black is not always 0."""


class Masks(ABC):
    """Masks of examples, read for those that are asked for."""

    @property
    def count(self) -> int | None:
        """How many there are, one for each example; None where they are found by the examples' names."""
        return None

    @abstractmethod
    def read(self, number: int, name: str) -> MaskArray | None:
        """The mask of an example, (H, W), in its own size; None where there is none."""


@final
@dataclass(frozen=True, eq=False)
class MasksInArray(Masks):
    """An array of masks, one for each example.

    Attributes:
        array: (N, H, W).
    """

    array: NDArray[Any]

    @property
    def count(self) -> int:
        return len(self.array)

    def read(self, number: int, name: str) -> MaskArray:
        return np.asarray(self.array[number] != 0)


@final
class MasksInFolder(Masks):
    """Pictures that are named as the examples are, but for their endings: of `cats/7.jpg` it is
    `cats/7.png`, or `7.png` where there is one of that name. What is not 0 is inside."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        files = sorted(
            one for one in folder.rglob("*") if one.is_file() and not hidden(one, folder)
        )
        self.whole: dict[str, Path] = {}
        self.last: dict[str, Path | None] = {}
        for file in files:
            self.whole.setdefault(without_ending(file.relative_to(folder).as_posix()), file)
            self.last[file.stem] = None if file.stem in self.last else file
        if not files:
            raise InputError(f"The folder of masks, {folder}, holds no files.")

    def read(self, number: int, name: str) -> MaskArray | None:
        key = without_ending(name)
        file = self.whole.get(key) or self.last.get(key.rpartition("/")[2])
        return None if file is None else read_mask(file)


def hidden(file: Path, folder: Path) -> bool:
    return any(part.startswith(".") for part in file.relative_to(folder).parts)


def without_ending(name: str) -> str:
    """A name without its ending."""
    head, dot, ending = name.rpartition(".")
    return head if dot and head and "/" not in ending else name


def read_mask(file: Path) -> MaskArray:
    """A picture as a mask, (H, W): what is not 0 in any channel is inside; of pictures with a palette
    that is the number of the colour; what is clear is outside.

    Raises:
        InputError: it is no picture, or of a format whose black is not 0.
    """
    try:
        with open_picture(file) as opened:
            if opened.format in LOSSY:
                raise InputError(
                    f"The mask {file} is a {opened.format}, whose black is not always 0: save it as PNG."
                )
            pixels = np.asarray(ImageOps.exif_transpose(opened))
            clear = opened.mode in ("LA", "RGBA", "PA")
    except InputError:
        raise
    except UNREADABLE as error:
        raise InputError(f"The mask {file} could not be read: {why(error, file)}.") from error
    if pixels.ndim == 2:
        return np.asarray(pixels != 0)
    if clear:
        return np.asarray((pixels[..., :-1] != 0).any(axis=-1) & (pixels[..., -1] != 0))
    return np.asarray((pixels != 0).any(axis=-1))


MasksGiven: TypeAlias = Masks | NDArray[Any] | str | PathLike[str]
"""An array (N, H, W); the path of one as `.npy`, or as `.npz` with `masks` or one array; that of a folder
of pictures; or masks that were opened."""


def open_masks(given: MasksGiven, count: int | None = None) -> Masks:
    """Masks that a user names.

    Args:
        count: how many examples there are, where that is known.

    Raises:
        InputError: nothing is there, or no masks; or not as many as examples.
    """
    found = given if isinstance(given, Masks) else read_from(given)
    if count is not None and found.count not in (None, count):
        raise InputError(
            f"There are {found.count} masks, but {count} examples: each needs one, in their order."
        )
    return found


def read_from(given: NDArray[Any] | str | PathLike[str]) -> Masks:
    """Those of an array, a file or a folder, see `MasksGiven`."""
    if isinstance(given, np.ndarray):
        return MasksInArray(of_places(given, "The masks"))
    path = Path(given)
    if path.is_dir():
        return MasksInFolder(path)
    if path.suffix not in (".npy", ".npz"):
        seen = "is neither" if path.exists() else "is not there"
        raise InputError(
            f"Masks are an .npy or .npz file with one for each example, or a folder of pictures that are "
            f"named as the data's; {path} {seen}."
        )
    try:
        stored = np.load(path, mmap_mode="r", allow_pickle=False)
        if isinstance(stored, np.ndarray):
            return MasksInArray(of_places(stored, str(path)))
        names = list(stored)
        key = "masks" if "masks" in names else names[0] if len(names) == 1 else None
        found = None if key is None else stored[key]
    except (OSError, *NOT_OURS) as error:
        raise InputError(f"The masks in {path} could not be read: {error}.") from error
    if found is None:
        raise InputError(f"{path} must hold masks, or one array; it holds {', '.join(names)}.")
    return MasksInArray(of_places(found, str(path)))


def of_places(array: NDArray[Any], where: str) -> NDArray[Any]:
    """Masks without an axis of one channel."""
    for axis in (1, -1):
        if array.ndim == 4 and array.shape[axis] == 1:
            array = array.squeeze(axis)
    if array.ndim < 2 or array.dtype.kind not in "biuf":
        raise InputError(
            f"{where} must hold one mask for each example, (N, H, W); got {array.dtype} of shape "
            f"{array.shape}."
        )
    return array
