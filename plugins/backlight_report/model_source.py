"""The model that the command line names: a thing in code, or a saved file."""

import inspect
from pathlib import Path

from backlight.errors import BacklightError, InputError
from backlight.plugins import plugins
from backlight_report.reference import is_reference, is_there, load_reference, made


def load_net(text: str) -> object:
    """The network, not wrapped yet.

    Args:
        text: `file.py:name` or `package.module:name` of a model, or of a function without required
            arguments that returns one; or the path of a saved model.

    Raises:
        BacklightError: nothing is there, or it cannot be loaded.
    """
    if is_reference(text):
        return made(load_reference(text), text)
    path = Path(text)
    if not is_there(path):
        raise InputError(
            f"No such model: {text}. Give a saved model's path, or file.py:name or "
            "package.module:name of a model in code."
        )
    try:
        loaded: object | None = plugins().manager.hook.backlight_load_model(path=path)
    except BacklightError:
        raise
    except Exception as error:  # a foreign format's reader may fail in any way
        raise InputError(f"{path} could not be loaded: {type(error).__name__}: {error}") from error
    if loaded is None:
        raise InputError(
            f"No installed plugin loads {path} as a model. For a model in code write {path}:name."
            if path.suffix == ".py"
            else f"No installed plugin loads {path} as a model; write a function that returns it, and "
            "give file.py:function."
        )
    return loaded


def note_on(text: str) -> str | None:
    """What is to be said of the model that this text names, after it was loaded."""
    if not is_reference(text) or not inspect.isclass(load_reference(text)):
        return None
    return (
        f"{text} is a class: the model was made by calling it, and its weights are as its constructor "
        "left them. If they are to be trained ones, give a function that loads them, or a trained model."
    )


def wanted_shape(net: object) -> tuple[int | None, ...] | None:
    """The input shape that a net declares, the examples' axis first, as Keras models do; else None."""
    shape = getattr(net, "input_shape", None)
    if not isinstance(shape, tuple) or not all(n is None or isinstance(n, int) for n in shape):
        return None
    return shape
