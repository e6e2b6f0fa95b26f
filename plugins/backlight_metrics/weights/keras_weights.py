"""Weights of Keras models, on any of Keras's backends."""

from collections.abc import Mapping
from typing import Any, final

import keras
import numpy as np

from backlight import Model
from backlight_metrics.weights.weights import InPlace, Numbers


@final
class KerasWeights(InPlace):
    """See `Weights`: what layers have for training, frozen ones too, in the order of the layers. Running
    statistics of normalisations are no parameters."""

    def __init__(self, model: Model, net: keras.Layer) -> None:
        super().__init__(model)
        found: dict[int, Any] = {}
        for layer in net._flatten_layers():
            for variable in layer._trainable_variables:
                found[id(variable)] = variable
        floats = [
            one for one in found.values() if "float" in keras.backend.standardize_dtype(one.dtype)
        ]
        self.variables = {f"{one.path.replace('/', '.')}": one for one in floats}
        if len(self.variables) < len(floats):  # two layers of one name
            self.variables = {f"{place}.{one.path}": one for place, one in enumerate(floats)}

    def read(self) -> dict[str, Numbers]:
        return {
            name: self.model.to_numpy(keras.ops.copy(one.value)).astype(np.float64)
            for name, one in self.variables.items()
        }

    def kept(self) -> dict[str, object]:
        return {name: keras.ops.copy(one.value) for name, one in self.variables.items()}

    def write(self, new: Mapping[str, Numbers]) -> None:
        for name, numbers in new.items():
            self.variables[name].assign(numbers)

    def restore(self, kept: Mapping[str, object]) -> None:
        for name, value in kept.items():
            self.variables[name].assign(value)
