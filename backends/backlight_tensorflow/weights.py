"""Weights of Keras models, TensorFlow's modules and functions of tensors."""

from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from backlight.memory.keras_layers import is_keras
from backlight.model.keras_weights import keras_storage
from backlight.model.weights import Storage, Weights, by_name, numbered, owner_of, read_by


def storage(given: object) -> Storage | None:
    """The variables of a model, a module, a SavedModel or a traced function; of a plain function, the
    variables and tensors of floating-point numbers that it reads. None where there are none."""
    owner: Any = owner_of(given)
    if is_keras(owner):
        return keras_storage(owner)
    variables = getattr(owner, "trainable_variables", None) or getattr(owner, "variables", None)
    if variables:
        held = named([one for one in variables if one.dtype.is_floating])
        ours = {id(one) for one in held.values()}
        rest = [one for one in getattr(owner, "variables", ()) if id(one) not in ours]
        buffers = {name: one.value() for name, one in named(rest).items()}
    else:
        read = [one for one in read_by(given, tf.Variable) if one.dtype.is_floating]
        held = numbered(read)
        tensors = [one for one in read_by(given, tf.Tensor) if one.dtype.is_floating]
        buffers = {f"tensor.{name}": one for name, one in numbered(tensors).items()}

    def put(values: Mapping[str, Any]) -> None:
        for name, value in values.items():
            held[name].assign(tf.cast(value, held[name].dtype))

    parameters = {name: one.value() for name, one in held.items()}
    return (
        Storage(Weights(parameters, buffers), put, tf.identity) if parameters or buffers else None
    )


def named(variables: list[Any]) -> dict[str, Any]:
    return by_name([(one.name.partition(":")[0], one) for one in variables])
