"""The hooks of the PyTorch backend. Importing this module does not import torch."""

import functools
import sys

import numpy as np

from backlight.memory.keras_layers import is_keras, keras_backend
from backlight.model.model import Model, Options
from backlight.plugins.hooks import hookimpl
from backlight.values.inputs import arrays_in

backlight_api = 1


@hookimpl
def backlight_wrap(
    net: object, inputs: object, framework: str | None, options: Options
) -> Model | None:
    if framework not in (None, "torch"):
        return None
    if framework is None and not owned(net, inputs):
        return None
    from backlight_torch.model import TorchModel

    return TorchModel(net, options)


def owned(net: object, inputs: object) -> bool:
    """Whether this is a net of PyTorch's, told without importing what the user has not."""
    torch = sys.modules.get("torch")
    if torch is None:
        return False
    if is_keras(net):
        return keras_backend() == "torch"
    if type(net).__module__.startswith("torch.") and type(net).__name__ == "ExportedProgram":
        return True
    function = net
    while isinstance(function, functools.partial):
        function = function.func
    if isinstance(function, (torch.nn.Module, torch.jit.ScriptFunction)) or isinstance(
        getattr(function, "__self__", None), torch.nn.Module
    ):
        return True
    if not callable(net):
        return False
    arrays = list(arrays_in(inputs))
    if any(isinstance(array, torch.Tensor) for array in arrays):
        return True
    from backlight_torch.nets.functions import modules_of

    # A function fed with NumPy arrays shows whose it is by the modules that it calls.
    return all(isinstance(array, np.ndarray) for array in arrays) and bool(modules_of(net))
