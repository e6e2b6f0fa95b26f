"""What is particular to Keras models: how they are called, what they want, where channels are."""

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from backlight.model.naming import named_by_keras
from backlight.values.arrays import Channels
from backlight_tensorflow.nets.calls import takes
from backlight_tensorflow.nets.recording import functional, parts


def keras_call(net: keras.Layer) -> Callable[[Any, Any, Any], object]:
    """Call a model with its inputs as one structured argument, in inference mode."""
    switch = {"training": False} if takes(net.call, "training") else {}

    def call(attributed: Any, positional: Any, keyword: Any) -> object:
        found = net(structured(net, attributed), *positional, **{**switch, **keyword})
        return named_by_keras(net, found)

    return call


def structured(net: keras.Layer, attributed: Any) -> Any:
    """The inputs in the structure that a functional model was made with."""
    graph = functional(net)
    wanted = None if graph is None else graph._inputs_struct
    if isinstance(wanted, dict) and not isinstance(attributed, dict):
        given = attributed if isinstance(attributed, tuple) else (attributed,)
        return dict(zip(wanted, given, strict=True))
    if isinstance(wanted, (list, tuple)) and not isinstance(attributed, (dict, tuple)):
        return [attributed]
    if isinstance(wanted, list) and isinstance(attributed, tuple):
        return list(attributed)
    return attributed


def wanted_inputs(net: keras.Layer) -> str | None:
    """The shapes and dtypes that a functional model was made for."""
    graph = functional(net)
    if graph is None:
        return None
    return ", ".join(f"{each.name}: {tuple(each.shape)} {each.dtype}" for each in graph.inputs)


def channels_of(net: keras.Layer) -> Channels:
    """Where the first layer that says so has its channels; else where Keras has them."""
    said = [getattr(layer, "data_format", None) for layer in net._flatten_layers()]
    found = next((each for each in said if each), keras.config.image_data_format())
    return "first" if found == "channels_first" else "last"


def takes_signals(net: keras.Layer) -> bool:
    """Whether the first layer that looks at neighbours looks along one axis."""
    ranks = (
        1 if isinstance(layer, keras.layers.RNN) else getattr(layer, "rank", None)
        for layer in net._flatten_layers()
    )
    return next((rank for rank in ranks if rank), None) == 1


def runs_code_of_others(net: keras.Layer) -> bool:
    """Whether it has layers, or functions in layers, that are not Keras's own."""
    used = [each for part in parts(net) for each in (type(part), *vars(part).values())]
    modules = (getattr(each, "__module__", None) or "" for each in used if callable(each))
    return not all(module.startswith("keras.") for module in modules)


def dtype_of(net: keras.Layer) -> tf.DType | None:
    """What floating-point NumPy inputs become: the dtype of the first variable, or of the first
    layer of a model that is not built; None for a mixed policy, where they stay as they are."""
    parts = net._flatten_layers()
    if any(part.dtype_policy.compute_dtype != part.dtype_policy.variable_dtype for part in parts):
        return None
    said = [each.dtype for each in net.variables]
    said += [part.compute_dtype for part in (*parts[1:], net)]
    found = (tf.as_dtype(each) for each in said)
    return next((each for each in found if each.is_floating), tf.float32)
