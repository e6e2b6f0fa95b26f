"""The plugin: which nets are MLX's. Importing it imports no framework."""

import functools
import sys
from collections.abc import Mapping

from backlight.hooks import hookimpl
from backlight.inputs import Inputs
from backlight.model import Model, Options

backlight_api = 1


@hookimpl
def backlight_wrap(
    net: object, inputs: object, framework: str | None, options: Options
) -> Model | None:
    if framework not in (None, "mlx") or not callable(net):
        return None
    given = inputs.attributed if isinstance(inputs, Inputs) else inputs
    if framework is None and not (is_mlx(net) or holds_arrays(given)):
        return None
    from backlight_mlx.model import MLXModel

    return MLXModel(net, options)


def is_mlx(net: object) -> bool:
    """Whether the net itself shows that it is MLX's: a module, a method of one, a compiled function."""
    if isinstance(net, functools.partial):
        return is_mlx(net.func) or holds_arrays((*net.args, *net.keywords.values()))
    owner = getattr(net, "__self__", net)
    return any(
        kind.__module__.partition(".")[0] == "mlx"
        for one in (net, owner)
        for kind in type(one).__mro__
    )


def holds_arrays(value: object) -> bool:
    """Whether any of the leaves of nested tuples, lists and mappings is an array."""
    if isinstance(value, Mapping):
        return any(map(holds_arrays, value.values()))
    if isinstance(value, (tuple, list)):
        return any(map(holds_arrays, value))
    array = getattr(sys.modules.get("mlx.core"), "array", None)
    return isinstance(array, type) and isinstance(value, array)
