"""The source that a user names: a folder of pictures, an `.npz` file, or a thing in code."""

from collections.abc import Sequence
from os import PathLike, fspath
from pathlib import Path

from backlight import Examples
from backlight.errors import InputError
from backlight.plugins.entry_points import plugins
from backlight_datasets.archive import NpzSource
from backlight_datasets.sequence import SequenceSource
from backlight_datasets.source import Source
from backlight_loading.examples import is_folder, load_examples, refuse, renamed
from backlight_loading.preparation import Colour, Size
from backlight_loading.references import is_reference, is_there, load_reference, made


def open_source(
    data: str | PathLike[str] | Examples | Source,
    size: Size | None = None,
    colour: Colour | None = None,
    classes: Sequence[str] = (),
    options: Sequence[str] = (),
) -> Source:
    """Labelled examples to be read a range at a time.

    Args:
        data: a folder of class folders, an `.npz` file, a reference `file.py:name` to examples or a
            source, a path that an installed plugin reads, or examples or a source themselves.
        size, colour: of pictures in files; see `FolderSource`.
        classes: class names in the model's order, where the data's own have another.
        options: those that the user gave and that only pictures in files can follow.

    Raises:
        InputError: nothing is there, it holds no examples, or an option does not apply to it.
    """
    if isinstance(data, Source | Examples):
        refuse(options, f"the {type(data).__name__}")
        return from_code(data, classes, "the examples")
    text = fspath(data)
    if is_reference(text):
        refuse(options, text)
        found = made(load_reference(text), text)
        if not isinstance(found, Source | Examples):
            raise InputError(
                f"{text} is a {type(found).__module__}.{type(found).__qualname__}; it must be "
                "backlight.Examples or a backlight_datasets.Source, or a function without required "
                "arguments that returns one."
            )
        return from_code(found, classes, text)
    if is_folder(text):
        # Here and not above: what reads no pictures needs no Pillow.
        from backlight_datasets.folder import FolderSource

        return FolderSource(text, size, colour, classes)
    path = Path(text)
    if is_there(path) and path.suffix == ".npz" and not is_offered(path):
        refuse(options, text)
        return NpzSource(path, classes)
    return from_code(load_examples(text, size, colour, tuple(classes), options=options), (), text)


def from_code(found: Source | Examples, classes: Sequence[str], text: str) -> Source:
    if isinstance(found, Examples):
        known = renamed(found, tuple(classes), text)
        return SequenceSource(known.x, known.labels, known.classes, known.names, known.skipped)
    if classes and tuple(classes) != found.classes:
        raise InputError(
            f"{text} has classes of its own, {', '.join(found.classes[:5]) or 'without names'}; make "
            "it with the class names in the model's order."
        )
    return found


def is_offered(path: Path) -> bool:
    """Whether an installed plugin reads this path."""
    return plugins().first("backlight_load_examples", Examples, path=path) is not None
