"""Weights of Keras models, modules and functions of TensorFlow."""

from collections.abc import Mapping
from functools import partial
from typing import Any, final

import numpy as np
import tensorflow as tf

from backlight import Model
from backlight_metrics.weights.weights import InPlace, Numbers, Weights, owner_of


@final
class TensorFlowWeights(InPlace):
    """See `Weights`: the trainable variables of a module or of a traced function."""

    def __init__(self, model: Model, variables: tuple[Any, ...]) -> None:
        super().__init__(model)
        floats = [one for one in variables if one.dtype.is_floating]
        self.variables = {f"{one.name.partition(':')[0]}": one for one in floats}
        if len(self.variables) < len(floats):  # several of one name
            self.variables = {f"{place}.{one.name}": one for place, one in enumerate(floats)}

    def read(self) -> dict[str, Numbers]:
        found = {name: tf.cast(one, tf.float64) for name, one in self.variables.items()}
        return {name: np.asarray(one.numpy()) for name, one in found.items()}

    def kept(self) -> dict[str, object]:
        return {name: tf.identity(one.value()) for name, one in self.variables.items()}

    def write(self, new: Mapping[str, Numbers]) -> None:
        for name, numbers in new.items():
            self.variables[name].assign(tf.cast(numbers, self.variables[name].dtype))

    def restore(self, kept: Mapping[str, object]) -> None:
        for name, value in kept.items():
            self.variables[name].assign(value)


def tensorflow_weights(model: Model, net: object) -> Weights | None:
    import keras

    while isinstance(net, partial):
        net = net.func
    owner = owner_of(net)
    if isinstance(owner, keras.Layer):
        from backlight_metrics.weights.keras_weights import KerasWeights

        return KerasWeights(model, owner)
    variables = getattr(owner, "trainable_variables", None) or getattr(owner, "variables", None)
    return TensorFlowWeights(model, tuple(variables)) if variables else None
