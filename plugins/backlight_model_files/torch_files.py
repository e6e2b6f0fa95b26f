"""Models from files of PyTorch's."""

import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import cast

import torch

from backlight.errors import ModelError
from backlight_model_files.checked import UNPICKLED, load_checked
from backlight_model_files.torch_danger import danger_in_exported, danger_in_script

ADVICE = (
    "Write a function that builds the model and loads these weights, and pass it as file.py:name."
)


def load(path: Path) -> object:
    """The model in an exported (.pt2) or TorchScript (.pt, .pth) file.

    Raises:
        ModelError: the file holds something else. Weights alone are no model, and a pickled module
            is not unpickled, since that could run any code; nor is anything loaded that would do more
            than compute.
    """
    if path.suffix == ".pt2":
        return load_checked(
            path,
            danger_in_exported,
            lambda path: torch.export.load(path).module(),
            "{path} could not be loaded as an exported program (torch.export.save writes them): "
            "{error}",
        )
    if is_script(path):
        load = cast(Callable[[Path], object], torch.jit.load)
        broken = "{path} could not be loaded as TorchScript: {error}"
        return load_checked(path, danger_in_script, load, broken)
    raise ModelError(f"{path} {holding(path)} {ADVICE}")


def is_script(path: Path) -> bool:
    """Whether it is a TorchScript archive, which holds its code beside its numbers."""
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        parts = [name.split("/") for name in archive.namelist()]
    return any(len(part) > 1 and part[1] in ("code", "constants.pkl") for part in parts)


def holding(path: Path) -> str:
    """What a file is that holds no code, as the end of a sentence."""
    try:
        torch.load(path, map_location="meta", weights_only=True)
    except pickle.UnpicklingError:
        return f"holds a pickled module, {UNPICKLED}"
    except (RuntimeError, OSError, EOFError, ValueError) as error:
        return f"is not a file of PyTorch's ({error})."
    return "holds weights only (a state dict), and nothing on how to compute with them."
