"""Weights of modules of MLX."""

from collections.abc import Mapping
from typing import Any, final

import mlx.core as mx
import numpy as np
from mlx.nn.layers.base import Module
from mlx.utils import tree_flatten, tree_unflatten

from backlight import Model
from backlight_metrics.weights.weights import InPlace, Numbers, Weights, owner_of


@final
class MLXWeights(InPlace):
    """See `Weights`: the parameters of a module. Running statistics of normalisations, which MLX keeps
    among them, are left out."""

    def __init__(self, model: Model, module: Module) -> None:
        super().__init__(model)
        self.module = module

    def _parameters(self) -> dict[str, Any]:
        module: Any = self.module
        named: Any = tree_flatten(module.parameters())
        return {
            name: one
            for name, one in named
            if mx.issubdtype(one.dtype, mx.floating)
            and name.rpartition(".")[2] not in ("running_mean", "running_var")
        }

    def read(self) -> dict[str, Numbers]:
        return {
            name: np.array(one.astype(mx.float32)).astype(np.float64)
            for name, one in self._parameters().items()
        }

    def kept(self) -> dict[str, object]:
        return dict(self._parameters())  # arrays of MLX are not written to

    def write(self, new: Mapping[str, Numbers]) -> None:
        now = self._parameters()
        self.restore({name: mx.array(one).astype(now[name].dtype) for name, one in new.items()})

    def restore(self, kept: Mapping[str, object]) -> None:
        self.module.update(tree_unflatten(list(kept.items())))


def mlx_weights(model: Model, net: object) -> Weights | None:
    owner = owner_of(net)
    return MLXWeights(model, owner) if isinstance(owner, Module) else None
