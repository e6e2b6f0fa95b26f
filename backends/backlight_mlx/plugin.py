"""The plugin: which nets are MLX's. Importing it imports no framework."""

import functools
import sys

from backlight.model.model import Model, Options
from backlight.plugins.hooks import hookimpl
from backlight.values.inputs import arrays_in

backlight_api = 1


@hookimpl
def backlight_wrap(
    net: object, inputs: object, framework: str | None, options: Options
) -> Model | None:
    if framework not in (None, "mlx") or not callable(net):
        return None
    if framework is None and not (is_mlx(net) or any(map(is_array, arrays_in(inputs)))):
        return None
    from backlight_mlx.model import MLXModel

    return MLXModel(net, options)


def is_mlx(net: object) -> bool:
    """Whether the net itself shows that it is MLX's: a module, a method of one, a compiled function."""
    if isinstance(net, functools.partial):
        bound = (*net.args, *net.keywords.values())
        return is_mlx(net.func) or any(map(is_array, arrays_in(bound)))
    owner = getattr(net, "__self__", net)
    return any(
        kind.__module__.partition(".")[0] == "mlx"
        for one in (net, owner)
        for kind in type(one).__mro__
    )


def is_array(value: object) -> bool:
    array = getattr(sys.modules.get("mlx.core"), "array", None)
    return isinstance(array, type) and isinstance(value, array)
