"""Weights of modules of PyTorch."""

from collections.abc import Mapping
from functools import partial
from typing import cast, final

import torch

from backlight import Model
from backlight_metrics.weights.weights import InPlace, Numbers, Weights, owner_of


@final
class TorchWeights(InPlace):
    """See `Weights`: the parameters of a module, those that it shares between layers once."""

    def __init__(self, model: Model, module: torch.nn.Module) -> None:
        super().__init__(model)
        named = module.named_parameters()
        self.parameters = {name: one for name, one in named if one.is_floating_point()}

    def read(self) -> dict[str, Numbers]:
        return {
            name: one.detach().cpu().to(torch.float64).numpy()
            for name, one in self.parameters.items()
        }

    def kept(self) -> dict[str, object]:
        return {name: one.detach().clone() for name, one in self.parameters.items()}

    def write(self, new: Mapping[str, Numbers]) -> None:
        with torch.no_grad():
            for name, numbers in new.items():
                self.parameters[name].data.copy_(torch.from_numpy(numbers))

    def restore(self, kept: Mapping[str, object]) -> None:
        with torch.no_grad():
            for name, numbers in kept.items():
                self.parameters[name].data.copy_(cast(torch.Tensor, numbers))


def torch_weights(model: Model, net: object) -> Weights | None:
    while isinstance(net, partial):
        net = net.func
    owner = owner_of(net)
    return TorchWeights(model, owner) if isinstance(owner, torch.nn.Module) else None
