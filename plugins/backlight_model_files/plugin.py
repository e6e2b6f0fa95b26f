"""The hook that loads models. Importing this imports no framework."""

from importlib.util import find_spec
from pathlib import Path

from backlight import hookimpl
from backlight.errors import ModelError
from backlight_model_files.checked import UNPICKLED

backlight_api = 1

KERAS_FILES = {".keras", ".h5", ".hdf5"}
TORCH_FILES = {".pt", ".pth", ".pt2"}
PICKLED_FILES = {".pkl", ".pickle", ".joblib"}


@hookimpl
def backlight_load_model(path: Path) -> object | None:
    """Load exported programs (`.pt2`) and TorchScript (`.pt`, `.pth`) of PyTorch's, Keras's `.keras`,
    `.h5` and `.hdf5` files, folders that hold a SavedModel of TensorFlow's, and ONNX models (`.onnx`)."""
    if path.suffix in TORCH_FILES and find_spec("torch") is not None:
        from backlight_model_files.torch_files import load

        return load(path)
    if path.suffix.lower() in KERAS_FILES and path.is_file():
        from backlight_model_files.tensorflow_files import load_keras

        return load_keras(path)
    if (path / "saved_model.pb").is_file() and find_spec("tensorflow") is not None:
        from backlight_model_files.tensorflow_files import load_saved_model

        return load_saved_model(path)
    if path.suffix.lower() == ".onnx" and path.is_file():
        from backlight_model_files.onnx_files import load_onnx

        return load_onnx(path)
    if path.suffix.lower() in PICKLED_FILES and path.is_file():
        raise ModelError(
            f"{path} holds a pickled object, {UNPICKLED} If you know where it comes from, write a "
            "function that returns joblib.load(...) or pickle.load(...) of it, and name that as "
            "file.py:function."
        )
    return None
