"""The golden nets in each framework, and the command `backlight conformance`."""

from importlib import import_module

from backlight.errors import UnknownNameError
from backlight.testing import Builder

BUILDERS = {
    "torch": ("backlight_conformance.torch_nets", "TorchBuilder"),
    "tensorflow": ("backlight_conformance.keras_nets", "KerasBuilder"),
    "jax": ("backlight_conformance.jax_nets", "JaxBuilder"),
    "mlx": ("backlight_conformance.mlx_nets", "MLXBuilder"),
    "numpy": ("backlight_conformance.numpy_nets", "NumPyBuilder"),
}
"""By framework: the module and the class that make its golden nets."""


def builder(framework: str) -> Builder:
    """What makes the golden nets of a framework, which is imported.

    Raises:
        UnknownNameError: there is none for such a framework.
    """
    if framework not in BUILDERS:
        raise UnknownNameError("framework", framework, BUILDERS)
    module, name = BUILDERS[framework]
    made: Builder = getattr(import_module(module), name)()
    return made
