"""Weights of MLX's modules, and of functions that read arrays."""

from collections.abc import Mapping
from typing import Any

import mlx.core as mx
from mlx.nn.layers.base import Module
from mlx.utils import tree_flatten, tree_unflatten

from backlight.model.weights import Storage, Weights, numbered, owner_of, read_by

STATISTICS = frozenset({"running_mean", "running_var"})
"""What MLX keeps among the parameters of a normalisation."""


def storage(given: object) -> Storage | None:
    """Parameters of a module; of a function, the arrays of floating-point numbers that it reads, None
    where there are none."""
    owner = owner_of(given)
    if not isinstance(owner, Module):
        read = [one for one in read_by(given, mx.array) if mx.issubdtype(one.dtype, mx.floating)]
        held: dict[str, Any] = numbered(read)

        def write(values: Mapping[str, Any]) -> None:
            for name, value in values.items():
                held[name][...] = mx.array(value).astype(held[name].dtype)

        return Storage(Weights(held), write, lambda one: mx.array(one)) if held else None
    module: Any = owner
    named: dict[str, Any] = dict(tree_flatten(module.parameters()))
    parameters = {name: one for name, one in named.items() if is_parameter(name, one)}

    def put(values: Mapping[str, Any]) -> None:
        made = [
            (name, mx.array(one).astype(parameters[name].dtype)) for name, one in values.items()
        ]
        module.update(tree_unflatten(made))

    buffers = {name: one for name, one in named.items() if name not in parameters}
    # Arrays of MLX that are replaced stay as they are.
    return Storage(Weights(parameters, buffers), put, lambda one: one)


def is_parameter(name: str, array: mx.array) -> bool:
    return mx.issubdtype(array.dtype, mx.floating) and name.rpartition(".")[2] not in STATISTICS
