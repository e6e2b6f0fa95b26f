"""Whose object this is, told without importing a framework that the object does not belong to."""

import sys
from collections.abc import Mapping

from backlight.inputs import Inputs


def is_keras(net: object) -> bool:
    """Whether this is a Keras 3 layer or model, on any of Keras' backends."""
    layer = getattr(sys.modules.get("keras"), "Layer", None)
    return layer is not None and isinstance(net, layer)


def keras_backend() -> str:
    """What Keras runs on; only of an imported Keras."""
    return str(sys.modules["keras"].backend.backend())


def is_tensorflow(net: object) -> bool:
    """Whether this is a tf.Module, a tf.function or what `tf.saved_model.load` returns."""
    tf = sys.modules.get("tensorflow")
    if tf is None or not hasattr(tf, "Module"):
        return False
    if isinstance(net, (tf.Module, tf.types.experimental.Callable)):
        return callable(net)
    loaded = isinstance(net, tf.__internal__.tracking.AutoTrackable)
    return loaded and (callable(net) or hasattr(net, "signatures"))


def holds_tensors(inputs: object) -> bool:
    """Whether inputs are TensorFlow's arrays, or a tuple, list or dict with some."""
    tf = sys.modules.get("tensorflow")
    if tf is None or not hasattr(tf, "Variable"):
        return False
    if isinstance(inputs, Inputs):
        inputs = inputs.attributed
    if isinstance(inputs, Mapping):
        return any(holds_tensors(each) for each in inputs.values())
    if isinstance(inputs, (tuple, list)):
        return any(holds_tensors(each) for each in inputs)
    return isinstance(inputs, (tf.Tensor, tf.Variable))
