"""The hooks of the TensorFlow and Keras backend. Importing this imports no framework."""

import sys

import backlight
from backlight.memory.keras_layers import is_keras, keras_backend
from backlight.model.model import Model, Options
from backlight.values.inputs import arrays_in

backlight_api = 1


@backlight.hookimpl
def backlight_wrap(
    net: object, inputs: object, framework: str | None, options: Options
) -> Model | None:
    """Take Keras models on TensorFlow, TensorFlow's own objects, and functions fed with tensors."""
    if not _is_ours(net, inputs, framework):
        return None
    from backlight_tensorflow.model import TensorFlowModel

    return TensorFlowModel(net, options)


def _is_ours(net: object, inputs: object, framework: str | None) -> bool:
    if framework not in (None, "tensorflow"):
        return False
    if is_keras(net):
        return keras_backend() == "tensorflow"
    if is_tensorflow(net):
        return True
    return callable(net) and (framework == "tensorflow" or holds_tensors(inputs))


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
    """Whether inputs are TensorFlow's arrays, or have some."""
    tf = sys.modules.get("tensorflow")
    if tf is None or not hasattr(tf, "Variable"):
        return False
    return any(isinstance(one, (tf.Tensor, tf.Variable)) for one in arrays_in(inputs))
