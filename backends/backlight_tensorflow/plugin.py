"""The hooks of the TensorFlow and Keras backend. Importing this imports no framework."""

import os
import sys
from importlib.util import find_spec
from pathlib import Path

import backlight
from backlight.files.model_files import load_checked
from backlight.memory.keras_layers import is_keras, keras_backend
from backlight.model.model import Model, Options
from backlight.values.inputs import arrays_in

backlight_api = 1

KERAS_FILES = {".keras", ".h5", ".hdf5"}


@backlight.hookimpl
def backlight_wrap(
    net: object, inputs: object, framework: str | None, options: Options
) -> Model | None:
    """Take Keras models on TensorFlow, TensorFlow's own objects, and functions fed with tensors."""
    if not _is_ours(net, inputs, framework):
        return None
    from backlight_tensorflow.model import TensorFlowModel

    return TensorFlowModel(net, options)


@backlight.hookimpl
def backlight_load_model(path: Path) -> object | None:
    """Load `.keras`, `.h5` and `.hdf5` files, and folders that hold a SavedModel."""
    if path.suffix.lower() in KERAS_FILES and path.is_file():
        return _load_keras(path)
    if (path / "saved_model.pb").is_file():
        return _load_saved_model(path)
    return None


def _is_ours(net: object, inputs: object, framework: str | None) -> bool:
    if framework not in (None, "tensorflow"):
        return False
    if is_keras(net):
        return keras_backend() == "tensorflow"
    if is_tensorflow(net):
        return True
    return callable(net) and (framework == "tensorflow" or holds_tensors(inputs))


def _load_keras(path: Path) -> object | None:
    if "keras" not in sys.modules:
        if os.environ.get("KERAS_BACKEND", "tensorflow") != "tensorflow":
            return None
        if find_spec("keras") is None:
            return None
    import keras

    if keras.backend.backend() != "tensorflow":
        return None
    from backlight_tensorflow.safety import danger_in_keras

    return load_checked(
        path,
        danger_in_keras,
        lambda path: keras.models.load_model(path, compile=False),
        "Keras could not load {path}: {error} If the model has layers of your own, name a Python file "
        "that builds or loads it instead, as file.py:name. A file of weights alone is no model: build "
        "the model and call load_weights.",
    )


def _load_saved_model(path: Path) -> object | None:
    if find_spec("tensorflow") is None:
        return None
    import tensorflow as tf

    from backlight_tensorflow.safety import danger_in_saved_model

    return load_checked(
        path,
        danger_in_saved_model,
        lambda path: tf.saved_model.load(str(path)),
        "TensorFlow could not load the SavedModel in {path}: {error} Save it again with this "
        "TensorFlow, or name a Python file that builds it, as file.py:name.",
    )


def is_tensorflow(net: object) -> bool:
    """Whether this is a tf.Module, a tf.function or what `tf.saved_model.load` returns."""
    tf = sys.modules.get("tensorflow")
    if tf is None or not hasattr(tf, "Module"):
        return False
    if isinstance(net, (tf.Module, tf.types.experimental.Callable)):
        return callable(net)
    loaded = isinstance(net, tf.__internal__.tracking.AutoTrackable)
    return loaded and (callable(net) or hasattr(net, "signatures"))


def holds_tensors(inputs: object) -> bool:
    """Whether inputs are TensorFlow's arrays, or have some."""
    tf = sys.modules.get("tensorflow")
    if tf is None or not hasattr(tf, "Variable"):
        return False
    return any(isinstance(one, (tf.Tensor, tf.Variable)) for one in arrays_in(inputs))
