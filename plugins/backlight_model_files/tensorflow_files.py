"""Models from Keras's files and from TensorFlow's folders."""

import os
import sys
from importlib.util import find_spec
from pathlib import Path

from backlight_model_files.checked import load_checked
from backlight_model_files.tensorflow_danger import danger_in_keras, danger_in_saved_model


def load_keras(path: Path) -> object | None:
    """The model in a `.keras` or `.h5` file; None where Keras is not there, or not on TensorFlow.

    Raises:
        ModelError: the file is broken, or would run code.
    """
    if "keras" not in sys.modules:
        if os.environ.get("KERAS_BACKEND", "tensorflow") != "tensorflow":
            return None
        if find_spec("keras") is None:
            return None
    import keras

    if keras.backend.backend() != "tensorflow":
        return None
    return load_checked(
        path,
        danger_in_keras,
        lambda path: keras.models.load_model(path, compile=False),
        "Keras could not load {path}: {error} If the model has layers of your own, name a Python file "
        "that builds or loads it instead, as file.py:name. A file of weights alone is no model: build "
        "the model and call load_weights.",
    )


def load_saved_model(path: Path) -> object:
    """The SavedModel in a folder.

    Raises:
        ModelError: it is broken, or would do more than compute.
    """
    import tensorflow as tf

    return load_checked(
        path,
        danger_in_saved_model,
        lambda path: tf.saved_model.load(str(path)),
        "TensorFlow could not load the SavedModel in {path}: {error} Save it again with this "
        "TensorFlow, or name a Python file that builds it, as file.py:name.",
    )
