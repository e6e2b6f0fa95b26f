"""Pictures in a folder with one sub-folder per class."""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from backlight import Examples
from backlight.errors import InputError, UnknownNameError
from backlight_loading.names import legible, listed, named
from backlight_loading.preparation import Colour, Size, Tick

GREY_MODES = {"1", "L", "LA", "I;16", "I;16L", "I;16B"}

UNREADABLE = Exception
"""What Pillow's readers raise for a file that is no picture, or a broken one: errors of any kind."""


def read_folder(
    folder: Path,
    size: Size | None,
    colour: Colour | None,
    classes: tuple[str, ...] = (),
    tick: Tick = lambda done, total: None,
    most: int | None = None,
) -> Examples:
    """Every picture of the sub-folders, whose names are the classes, in sorted order.

    Args:
        folder: it holds a sub-folder per class.
        size: (height, width) that every picture is stretched to; None keeps the size they all have.
        colour: "grey" (one channel) or "rgb"; None reads grey if every file is grey, else RGB.
        classes: all classes in the model's order, where the folder does not have all of them.
        tick: told how many of how many pictures were read.
        most: stop after so many pictures; None reads all.

    Raises:
        InputError: no class folders, no readable picture, or pictures of several sizes and no `size`;
            or a folder that is named after several of the classes.
        UnknownNameError: a folder that is named after none of them.
    """
    folders = class_folders(folder)
    names = classes or folder_names(folders)
    numbers = [folder_class(entry, names) for entry in folders]
    pictures: list[Image.Image] = []
    labels, titles = [], []
    files: list[tuple[Path, int]] = []
    skipped = beside(folder)
    for entry, number in zip(folders, numbers, strict=True):
        found, left_out = contents(entry)
        files += [(entry / name, number) for name in found]
        skipped += left_out
    for done, (file, label) in enumerate(files, start=1):
        if len(pictures) == most:
            break
        title = file.relative_to(folder).as_posix()
        try:
            pictures.append(read(file, size))
            labels.append(label)
            titles.append(title)
        except UNREADABLE as error:
            skipped.append(f"{title}: {why(error, file)}")
        tick(done, len(files))
    if not pictures:
        seen = f"; the first of {len(skipped)} files: {skipped[0]}" if skipped else ""
        raise InputError(f"No picture could be read in the class folders of {folder}{seen}.")
    grey = colour == "grey" or (colour is None and all(p.mode == "L" for p in pictures))
    return Examples(
        stacked([p.convert("L" if grey else "RGB") for p in pictures], titles),
        np.array(labels, dtype=np.int64),
        names,
        titles,
        skipped,
    )


def class_folders(folder: Path) -> list[Path]:
    """The sub-folders of a folder in sorted order; InputError where there are none."""
    try:
        folders = sorted(entry for entry in folder.iterdir() if is_class_folder(entry))
    except OSError as error:
        raise InputError(f"The folder {folder} could not be read: {error}.") from error
    if not folders:
        raise InputError(
            f"{folder} has no class folders: put the pictures of each class into a sub-folder that "
            "has the class's name."
        )
    return folders


def folder_names(folders: Sequence[Path]) -> tuple[str, ...]:
    return tuple(legible(entry.name) for entry in folders)


def folder_class(folder: Path, classes: Sequence[str]) -> int:
    """The class that a folder is named after, by all of its name or the first of its synonyms."""
    name = legible(folder.name)
    found = named(name, classes)
    if len(found) > 1:
        raise InputError(
            f"The folder {name} may be one of several classes: lines {listed([k + 1 for k in found])} of "
            "the class names are called so. Give these lines names of their own, and the folder the one "
            "that is meant."
        )
    if not found:
        raise UnknownNameError("class", name, classes, "It is the name of a sub-folder.")
    return found[0]


def is_class_folder(entry: Path) -> bool:
    return entry.is_dir() and not is_hidden(entry) and not leads_back(entry)


def is_hidden(entry: Path) -> bool:
    return entry.name.startswith(".")


def leads_back(entry: Path) -> bool:
    """Whether it is a link to a folder that it is in."""
    if not entry.is_symlink():
        return False
    place = entry.parent.resolve()
    return entry.resolve() in (place, *place.parents)


def beside(folder: Path) -> list[str]:
    """What is beside the class folders, hidden things aside, with the reason why it is left out."""
    others = [one for one in folder.iterdir() if not is_class_folder(one) and not is_hidden(one)]
    reason = "a file beside the class folders; pictures are read from these alone"
    return [f"{one.name}: {no_file(one) or reason}" for one in sorted(others)]


def no_file(entry: Path) -> str | None:
    """Why this is no file to be read; None for one that is."""
    if entry.is_file():
        return None
    if entry.is_dir():
        if leads_back(entry):
            return "a link to a folder that it is in"
        return "a folder in a class folder; pictures are read from the class folder alone"
    return "a link that leads nowhere" if entry.is_symlink() else "no file"


def contents(folder: Path) -> tuple[list[str], list[str]]:
    """The names of the files in a class folder, and what is left out with the reason."""
    files, left_out, hidden = [], [], []
    try:
        # Of many files names are kept, as paths take several times the memory.
        for name in sorted(one.name for one in folder.iterdir()):
            if is_hidden(folder / name):
                hidden.append(name)
            elif reason := no_file(folder / name):
                left_out.append(f"{folder.name}/{name}: {reason}")
            else:
                files.append(name)
    except OSError as error:
        return [], [f"{folder.name}: {error.strerror or error}"]
    if hidden:
        more = f", and {len(hidden) - 1} more" if len(hidden) > 1 else ""
        left_out.append(f"{folder.name}/{hidden[0]}: hidden{more}")
    if not files:
        left_out.append(f"{folder.name}: no file in this class folder")
    return files, left_out


def why(error: Exception, file: Path) -> str:
    """Why a file could not be read, in one line, without the folder that it is in."""
    reason = " ".join(str(error).split()) or type(error).__name__
    return reason.replace(str(file), file.name)


def open_picture(file: Path | BinaryIO) -> Image.Image:
    """A picture whose header alone is read yet.

    One of up to twice `Image.MAX_IMAGE_PIXELS`, 179 megapixels, is read without a word; Pillow raises
    an error for a larger one, as a small file can say that it is enormous.
    """
    Image.init()
    # Those of Encapsulated PostScript are programs, which Pillow hands to Ghostscript.
    formats = [name for name in Image.OPEN if name != "EPS"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        return Image.open(file, formats=formats)


def upright_size(file: Path) -> Size:
    """Height and width of a picture in its file, upright."""
    with open_picture(file) as opened:
        turned = opened.getexif().get(0x0112, 1) in (5, 6, 7, 8)
        width, height = opened.size
    return (width, height) if turned else (height, width)


def read(file: Path | BinaryIO, size: Size | None) -> Image.Image:
    """One picture in a file; see `upright`."""
    with open_picture(file) as opened:
        return upright(opened, size)


def upright(opened: Image.Image, size: Size | None) -> Image.Image:
    """A picture upright, 8 bits, grey or RGB, on white where it was transparent."""
    # Copies of a large picture are spared: it is turned in place, converted only where it must be.
    ImageOps.exif_transpose(opened, in_place=True)
    picture: Image.Image = opened
    grey = picture.mode in GREY_MODES
    if picture.mode.startswith("I;16"):
        wide = np.asarray(picture.convert("I"))
        picture = Image.fromarray((wide // 257).astype(np.uint8))
    elif picture.mode in ("I", "F"):
        raise ValueError(f"pixels of mode {picture.mode} have no agreed range")
    elif picture.has_transparency_data:
        clear = picture.convert("RGBA")
        white = Image.new("RGBA", clear.size, "white")
        picture = Image.alpha_composite(white, clear).convert("RGB")
    mode = "L" if grey else "RGB"
    if picture.mode != mode:
        picture = picture.convert(mode)
    picture.load()
    if size is not None and picture.size != size[::-1]:
        picture = picture.resize(size[::-1], Image.Resampling.BILINEAR)
    return picture


def several_sizes(
    title: str, size: tuple[int, int], other: str, other_size: tuple[int, int]
) -> InputError:
    """What is raised for two pictures of different (width, height)."""
    return InputError(
        f"The pictures have several sizes: {title} is {size[1]}x{size[0]}, {other} "
        f"{other_size[1]}x{other_size[0]} (height x width). Say which one the model wants: --size HxW."
    )


def stacked(pictures: list[Image.Image], titles: list[str]) -> NDArray[np.uint8]:
    """(N, H, W, channels), or an error that names two pictures of different sizes."""
    first = pictures[0].size
    for picture, title in zip(pictures, titles, strict=True):
        if picture.size != first:
            raise several_sizes(titles[0], first, title, picture.size)
    try:
        together = np.stack([np.asarray(picture) for picture in pictures])
    except MemoryError as error:
        raise InputError(
            f"{len(pictures)} pictures of {first[1]}x{first[0]} do not fit into memory: say a smaller "
            "--size, or give fewer."
        ) from error
    return together[..., None] if together.ndim == 3 else together
