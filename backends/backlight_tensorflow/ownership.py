"""Whose object this is, told without importing a framework that the object does not belong to."""

import sys

from backlight.inputs import arrays_in


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
    return any(isinstance(one, (tf.Tensor, tf.Variable)) for one in arrays_in(inputs))
