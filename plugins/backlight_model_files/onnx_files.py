"""Models from ONNX files: through PyTorch, with gradients, where onnx2torch is installed; else through
ONNX Runtime, without."""

import importlib
import re
import warnings
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from backlight.errors import BacklightWarning, ModelError
from backlight.explaining.no_gradients import advice
from backlight_model_files.checked import load_checked

BREAKING = re.compile(r'["\\\x00-\x1f]')
"""What ends a name that stands in quotes in code."""


def load_onnx(path: Path) -> object:
    """The model in an ONNX file, as a module of PyTorch's or a session of ONNX Runtime's; a
    BacklightWarning says which.

    Raises:
        ModelError: the file is broken or would run code, or nothing is installed that runs it.
    """
    why = "which has no gradients; converted by onnx2torch, with torch, it would have some"
    if all(map(find_spec, ("onnx2torch", "torch"))):
        broken = "{path} could not be loaded as an ONNX model: {error}"
        found = load_checked(path, danger_in_names, converted, broken)
        if not isinstance(found, NotConverted):
            tell(f"{path} was converted by onnx2torch: it runs in PyTorch, with gradients.")
            return found
        why = f"which has no gradients: onnx2torch could not convert it ({found.why})"
    if find_spec("onnxruntime") is None:
        raise ModelError(
            f"{path} needs ONNX Runtime: pip install 'backlight[onnx]'; or, for gradients, onnx2torch "
            "and torch, where they know all its operations."
        )
    broken = "ONNX Runtime could not load {path}: {error}"
    session = load_checked(path, computes_alone, session_of, broken)
    tell(f"{path} runs in ONNX Runtime, {why}. {advice()}")
    return session


class NotConverted:
    """A model that onnx2torch cannot convert, and why."""

    def __init__(self, why: str) -> None:
        self.why = why


def danger_in_names(path: Path) -> str | None:
    """What a converted model would run, as the end of a sentence: onnx2torch writes the names of nodes
    into code that PyTorch generates, between quotes. None if that is all they are."""
    onnx = importlib.import_module("onnx")
    nodes = onnx.load(str(path), load_external_data=False).graph.node
    bad = next((node.name for node in nodes if BREAKING.search(node.name)), None)
    if bad is None:
        return None
    return (
        f"has a node called {bad[:80]!r}, and is not converted to PyTorch: the name would be run as "
        "code, and no model needs such a one."
    )


def computes_alone(path: Path) -> None:
    """ONNX Runtime runs no code of a file's, and its operations act on nothing but numbers."""


def converted(path: Path) -> object:
    """The model as a module of PyTorch's."""
    try:
        return importlib.import_module("onnx2torch").convert(str(path)).eval()
    except (NotImplementedError, ImportError) as error:
        return NotConverted(" ".join(str(error).split()).removesuffix("."))


def session_of(path: Path) -> Any:
    """A session on the CPU. What is stored beside the file is looked for in its folder alone."""
    runtime = importlib.import_module("onnxruntime")
    return runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"])


def tell(what: str) -> None:
    warnings.warn(what, BacklightWarning, stacklevel=2)
