"""The model that the command line names: a thing in code, or a saved file."""

import inspect
from pathlib import Path

from backlight.errors import InputError
from backlight.plugins.entry_points import plugins
from backlight_loading.references import is_reference, is_there, load_reference, made


def load_model(text: str) -> object:
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
    found = plugins()
    loaded = found.first("backlight_load_model", object, path=path)
    if loaded is None:
        advice = (
            f"For a model in code write {path}:name."
            if path.suffix == ".py"
            else "Write a function that returns it, and give file.py:function."
        )
        reasons = found.left_out("backlight_load_model")
        raise InputError(
            " ".join((f"No installed plugin loads {path} as a model.", *reasons, advice))
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
    """The input shape that a net declares, the examples' axis first, as Keras models and sessions of
    ONNX Runtime with one input do; else None."""
    shape = getattr(net, "input_shape", None)
    if callable(getattr(net, "get_inputs", None)):
        inputs = net.get_inputs()  # type: ignore[attr-defined]
        # Lengths that are known only as it runs have names; any number of examples can be run.
        lengths = [n if isinstance(n, int) else None for n in inputs[0].shape]
        shape = (None, *lengths[1:]) if len(inputs) == 1 and lengths else None
    if not isinstance(shape, tuple) or not all(n is None or isinstance(n, int) for n in shape):
        return None
    return shape
