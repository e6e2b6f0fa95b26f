"""Models from files, which may hold more than a model."""

from collections.abc import Callable
from pathlib import Path

from backlight.errors import ModelError

UNPICKLED = (
    "which is not loaded: unpickling needs the object's own code, and would run any code that the file "
    "names."
)


def load_checked(
    path: Path,
    danger_in: Callable[[Path], str | None],
    load: Callable[[Path], object],
    broken: str,
) -> object:
    """The model in a file, unless loading it would do more than that.

    Args:
        path: of the file.
        danger_in: what the file would run, as the end of a sentence; None if it runs nothing.
        load: of a file without danger.
        broken: what is said of a file that cannot be read, with `{path}` and `{error}` in it.

    Raises:
        ModelError: the file is dangerous, or broken.
    """
    try:
        danger = danger_in(path)
        if danger is None:
            return load(path)
    except Exception as error:  # each part of a file may be broken in a way of its own
        raise ModelError(broken.format(path=path, error=error)) from error
    raise ModelError(f"{path} {danger}")
