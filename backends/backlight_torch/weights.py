"""Weights of PyTorch's modules, and of functions that read tensors."""

from collections.abc import Mapping
from typing import Any, cast

import torch

from backlight.memory.keras_layers import is_keras
from backlight.model.keras_weights import keras_storage
from backlight.model.weights import Storage, Weights, by_name, numbered, owner_of, read_by
from backlight_torch.nets.styles import Net


def storage(net: Net, given: object) -> Storage | None:
    """Parameters and buffers of modules, those that several layers share once; of a function, the tensors
    of floating-point numbers that it reads: its parameters where it has no modules, else among the
    buffers. None where there are none.

    Args:
        net: as it is called.
        given: as the user gave it.
    """
    owner = owner_of(given)
    roots = [cast(torch.nn.Module, owner)] if is_keras(owner) else net.roots()
    weights = of_modules(roots)
    ours = {id(one) for some in (weights.parameters, weights.buffers) for one in some.values()}
    read = [] if isinstance(owner, torch.nn.Module) else read_by(given, torch.Tensor)
    rest = [one for one in read if one.is_floating_point() and id(one) not in ours]
    if not roots:
        weights = Weights(numbered(rest))
    elif rest:
        found = {f"read.{name}": one for name, one in numbered(rest).items()}
        weights = Weights(weights.parameters, {**weights.buffers, **found})
    if not weights.parameters and not weights.buffers:
        return None

    def put(values: Mapping[str, Any]) -> None:
        with torch.no_grad():
            for name, value in values.items():
                weights.parameters[name].data.copy_(torch.as_tensor(value))

    return Storage(weights, put, lambda one: one.detach().clone())


def of_modules(roots: list[torch.nn.Module]) -> Weights[Any]:
    parameters: dict[int, tuple[str, torch.Tensor]] = {}
    buffers: dict[int, tuple[str, torch.Tensor]] = {}
    for place, root in enumerate(roots):
        prefix = f"{place}." if len(roots) > 1 else ""
        told = keras_storage(root).weights if is_keras(root) else of_module(root)
        for some, found in ((told.parameters, parameters), (told.buffers, buffers)):
            for name, one in some.items():
                found.setdefault(id(one), (f"{prefix}{name}", cast(torch.Tensor, one)))
    return Weights(by_name([*parameters.values()]), by_name([*buffers.values()]))


def of_module(module: torch.nn.Module) -> Weights[Any]:
    named = dict(module.named_parameters())
    parameters = {name: one for name, one in named.items() if one.is_floating_point()}
    others = {name: one for name, one in named.items() if name not in parameters}
    return Weights(parameters, {**others, **dict(module.named_buffers())})
