"""Weights of Keras's layers and models, on whichever backend, told without importing it."""

import sys
from collections.abc import Mapping
from typing import Any

from backlight.model.weights import Storage, Weights, by_name


def keras_storage(layer: Any) -> Storage:
    """What layers have for training, frozen ones too, in the order of the layers; and their statistics.
    States of random numbers are neither."""
    keras = sys.modules["keras"]
    trained = {
        id(one): one for part in layer._flatten_layers() for one in part._trainable_variables
    }
    floats = [
        one for one in trained.values() if "float" in keras.backend.standardize_dtype(one.dtype)
    ]
    ours = set(map(id, floats))
    held = by_name([(path_of(one), one) for one in floats])
    others = by_name([(path_of(one), one) for one in layer.weights if id(one) not in ours])

    def put(values: Mapping[str, Any]) -> None:
        for name, value in values.items():
            held[name].assign(value)

    return Storage(
        Weights(
            {name: one.value for name, one in held.items()},
            {name: one.value for name, one in others.items()},
        ),
        put,
        keras.ops.copy,
    )


def path_of(variable: Any) -> str:
    return str(variable.path).replace("/", ".")
