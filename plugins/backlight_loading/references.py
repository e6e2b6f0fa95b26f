"""Things in a user's code, named on the command line as `file.py:name` or `package.module:name`."""

import importlib
import importlib.util
import inspect
import sys
from pathlib import Path
from types import ModuleType

from backlight.errors import InputError, UnknownNameError


def is_reference(text: str) -> bool:
    """Whether the text has the form of a reference; a path that exists is a path."""
    place, colon, name = text.rpartition(":")
    named = bool(colon and place) and all(part.isidentifier() for part in name.split("."))
    return named and not is_there(Path(text))


def is_there(path: Path) -> bool:
    """Whether the path exists; one that is too long for the system, or is no path, does not."""
    try:
        return path.exists()
    except (OSError, ValueError):
        return False


def load_reference(text: str) -> object:
    """The object that a reference names.

    Raises:
        InputError: no such file or module, or it cannot be imported.
        UnknownNameError: it holds no such name.
    """
    place, _, name = text.rpartition(":")
    found: object = from_file(Path(place)) if place.endswith(".py") else from_module(place)
    for part in name.split("."):
        if not hasattr(found, part):
            public = [known for known in dir(found) if not known.startswith("_")]
            raise UnknownNameError("name", name, public, advice=f"It was looked for in {place}.")
        found = getattr(found, part)
    return found


def made(found: object, what: str) -> object:
    """What a function or class without required arguments returns; anything else as it is.

    Raises:
        InputError: it raised an error.
    """
    if not (inspect.isfunction(found) or inspect.isclass(found)) or needs_arguments(found):
        return found
    try:
        return found()
    except (Exception, SystemExit) as error:  # it is the user's code, which may fail in any way
        raise InputError(f"{what}() raised {type(error).__name__}: {error}") from error


def needs_arguments(function: object) -> bool:
    try:
        parameters = inspect.signature(function).parameters.values()  # type: ignore[arg-type]
    except ValueError:  # some compiled classes have no signature
        return False
    optional = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return any(
        parameter.default is inspect.Parameter.empty and parameter.kind not in optional
        for parameter in parameters
    )


def from_file(path: Path) -> ModuleType:
    """A Python file as a module; its folder can be imported from, as when the file is run."""
    if not is_there(path) or not path.is_file():
        raise InputError(f"No such file: {path}.")
    full = path.resolve()
    make_importable(full.parent)
    try:
        found = importlib.util.find_spec(full.stem) if full.stem.isidentifier() else None
        if found is not None and found.origin == str(full):
            return importlib.import_module(full.stem)
        return under_another_name(full)
    except (Exception, SystemExit) as error:  # it is the user's code
        raise InputError(f"{path} could not be loaded: {described(error)}") from error


def under_another_name(file: Path) -> ModuleType:
    """A file whose own name means another module already, such as the `net.py` of another folder."""
    name = f"{file.parent.name}/{file.stem}"
    known = sys.modules.get(name)
    if known is not None and known.__file__ == str(file):
        return known
    specification = importlib.util.spec_from_file_location(name, file)
    if specification is None or specification.loader is None:
        raise InputError("it is not a Python file")
    module = importlib.util.module_from_spec(specification)
    sys.modules[name] = module
    try:
        specification.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def from_module(name: str) -> ModuleType:
    """An installed module, or one of the working directory."""
    make_importable(Path.cwd())
    try:
        return importlib.import_module(name)
    except (Exception, SystemExit) as error:  # it is the user's code
        raise InputError(
            f"Module {name!r} could not be imported: {described(error)} "
            "For a file write its path: folder/file.py:name."
        ) from error


def make_importable(folder: Path) -> None:
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))


def described(error: BaseException) -> str:
    text = f"{type(error).__name__}: {error}"
    return text if text.endswith((".", "!", "?")) else f"{text}."
