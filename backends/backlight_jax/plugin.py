"""The plugin: which nets are JAX's. Importing it imports no framework."""

import functools
import sys
from collections.abc import Mapping

from backlight.memory.keras_layers import is_keras, keras_backend
from backlight.model.model import Model, Options
from backlight.plugins.hooks import hookimpl
from backlight.values.inputs import arrays_in

backlight_api = 1


@hookimpl
def backlight_wrap(
    net: object, inputs: object, framework: str | None, options: Options
) -> Model | None:
    if framework not in (None, "jax") or belongs_to_another(net):
        return None
    if framework is None and not (is_jax(net) or any(map(is_array, arrays_in(inputs)))):
        return None
    if not callable(net) and not is_linen_pair(net):
        return None
    from backlight_jax.model import JaxModel

    return JaxModel(net, options)


def is_jax(net: object) -> bool:
    """Whether the net itself shows that it is JAX's: a module, a jitted function, bound arrays."""
    owner = getattr(net, "__self__", None)
    if owner is not None and not isinstance(owner, type(sys)) and is_jax(owner):
        return True
    if isinstance(net, functools.partial):
        bound = (net.func, *net.args, *net.keywords.values())
        return any(is_jax(part) or any(map(is_array, arrays_in(part))) for part in bound)
    if is_linen_pair(net) or is_keras(net):
        return True
    if any(
        isinstance(net, base)
        for name, attribute in (
            ("flax.linen", "Module"),
            ("flax.nnx", "Module"),
            ("equinox", "Module"),
            ("jax.stages", "Wrapped"),
        )
        if isinstance(base := getattr(sys.modules.get(name), attribute, None), type)
    ):
        return True
    wrapped = getattr(net, "__wrapped__", None)  # jax.vmap(module) leads to the module
    return wrapped is not None and is_jax(wrapped)


def is_linen_pair(net: object) -> bool:
    """A flax linen module with its variables."""
    linen = sys.modules.get("flax.linen")
    return (
        linen is not None
        and isinstance(net, tuple)
        and len(net) == 2
        and isinstance(net[0], linen.Module)
        and isinstance(net[1], Mapping)
    )


def belongs_to_another(net: object) -> bool:
    """A Keras model that computes with another framework, or another framework's module."""
    if is_keras(net):
        return keras_backend() != "jax"
    owner = getattr(net, "__self__", net)
    return any(
        base.__module__.partition(".")[0] in ("torch", "tensorflow") for base in type(owner).__mro__
    )


def is_array(value: object) -> bool:
    jax = sys.modules.get("jax")
    return jax is not None and isinstance(value, jax.Array)
