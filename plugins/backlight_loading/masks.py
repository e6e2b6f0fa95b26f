"""Masks: where the object is in each example, from an array in a file or a folder of pictures."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any, TypeAlias, cast, final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from backlight.attribution.saving import NOT_OURS
from backlight.errors import InputError
from backlight.values.arrays import Channels
from backlight.values.layout import input_layout
from backlight_loading.picture_folders import UNREADABLE, open_picture, why
from backlight_loading.preparation import Prepared, Size
from backlight_loading.preprocessing import channel_axis

MaskArray: TypeAlias = NDArray[np.bool_]

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
            self.whole.setdefault(plain(file.relative_to(folder).as_posix()), file)
            self.last[file.stem] = None if file.stem in self.last else file
        if not files:
            raise InputError(f"The folder of masks, {folder}, holds no files.")

    def read(self, number: int, name: str) -> MaskArray | None:
        key = plain(name)
        file = self.whole.get(key) or self.last.get(key.rpartition("/")[2])
        return None if file is None else read_mask(file)


def hidden(file: Path, folder: Path) -> bool:
    return any(part.startswith(".") for part in file.relative_to(folder).parts)


def plain(name: str) -> str:
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


def open_masks(given: str | PathLike[str] | NDArray[Any]) -> Masks:
    """Masks that a user names: an array (N, H, W), the path of one as `.npy`, or as `.npz` with `masks`
    or one array; or of a folder of pictures.

    Raises:
        InputError: nothing is there, or no masks.
    """
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


def check_count(masks: Masks, count: int) -> None:
    """Raise InputError unless there is one for each of so many examples."""
    if masks.count not in (None, count):
        raise InputError(
            f"There are {masks.count} masks, but {count} examples: each needs one, in their order."
        )


@final
@dataclass(frozen=True)
class Fitting:
    """How masks become truths at the places of a model's input.

    Attributes:
        shape, dtype: of one example as it is stored.
        ends: the stored numbers that are black and white.
        prepared: brings stored examples to the model.
        grid: the model's places: of pictures height and width.
        channels: where the model has them.
        own_size: of an example by its number, before it was stretched; None where it was not.
    """

    shape: tuple[int, ...]
    dtype: str
    ends: tuple[float, float]
    prepared: Prepared
    grid: tuple[int, ...]
    channels: Channels
    own_size: Callable[[int], Size] | None = None

    def fitted(self, mask: MaskArray, number: int, name: str) -> MaskArray:
        """A mask at the places of the model's input. It goes the way of its picture: stretched with it,
        and then, white on black, through the preprocessing; a place is inside where more than half of
        it is.

        Raises:
            InputError: it has another size than its picture, or is lost on the way.
        """
        if mask.shape == self.grid and len(self.grid) != 2:
            return mask  # of no pictures
        several = len(self.shape) == 3
        axis = channel_axis(np.empty((1, *self.shape), self.dtype), self.channels) - 1
        size = cast(Size, tuple(n for k, n in enumerate(self.shape) if not several or k != axis))
        own = self.own_size(number) if self.own_size is not None else size
        if mask.ndim == 2 and mask.shape in (size, own):
            stretched = Image.fromarray(mask).resize(size[::-1], Image.Resampling.NEAREST)
            return self.carried(np.asarray(stretched, dtype=np.bool_), axis if several else None)
        if mask.shape == self.grid:
            return mask
        wanted = " or ".join(sides(one) for one in dict.fromkeys((own, size, self.grid)))
        raise InputError(
            f"The mask of {name} is {sides(mask.shape)} (height x width); it must be {wanted}, as its "
            "picture is."
        )

    def carried(self, mask: MaskArray, axis: int | None) -> MaskArray:
        black, white = self.ends if self.ends[0] < self.ends[1] else (0.0, 1.0)
        wide = mask if axis is None else np.expand_dims(mask, axis)
        drawn = np.broadcast_to(np.where(wide, white, black), self.shape)
        ends = (np.full(self.shape, end) for end in (black, white))
        made, low, high = (
            self.prepared(one[None].astype(self.dtype))[0].astype(np.float64)
            for one in (drawn, *ends)
        )
        span = high - low
        with np.errstate(divide="ignore", invalid="ignore"):
            share = (made - low) / span
        if not np.isfinite(share).all():
            raise InputError(
                "Masks cannot go through the preprocessing: at some places it makes no difference "
                f"between black and white. Give masks of the model's own size, {sides(self.grid)}."
            )
        if share.shape != self.grid:
            layout = input_layout((1, *share.shape), self.channels)
            share = share.mean(
                axis=layout.channel_axis - 1 if layout and layout.channel_axis else -1
            )
        return np.asarray(share > 0.5)


def sides(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))


def read_masks(
    masks: Masks, numbers: Sequence[int], names: Sequence[str], fitting: Fitting
) -> tuple[MaskArray, tuple[str, ...]]:
    """The masks of some examples at the places of the model's input, (n, H, W), empty where there is
    none; and the names of those without one.

    Raises:
        InputError: one cannot be read or does not fit; or none of them has one.
    """
    found = np.zeros((len(numbers), *fitting.grid), dtype=np.bool_)
    lacking = []
    for place, (number, name) in enumerate(zip(numbers, names, strict=True)):
        mask = masks.read(number, name)
        if mask is None:
            lacking.append(name)
        else:
            found[place] = fitting.fitted(mask, number, name)
    if lacking and len(lacking) == len(numbers):
        raise InputError(
            f"None of {len(numbers)} examples has a mask, {lacking[0]} for one: masks are found by the "
            "examples' names, whatever their endings."
        )
    return found, tuple(lacking)


def without_mask(lacking: Sequence[str], count: int) -> str:
    """A sentence about those without one."""
    listed = ", ".join(lacking[:5]) + (f" and {len(lacking) - 5} more" if len(lacking) > 5 else "")
    return (
        f"{len(lacking)} of {count} examples have no mask, and are left out where one is asked for: "
        f"{listed}."
    )
