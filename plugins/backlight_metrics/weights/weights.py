"""A net's weights by name, whatever keeps them."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager

import numpy as np
from numpy.typing import NDArray

from backlight import Model
from backlight.errors import InputError
from backlight.model.net_model import NetModel

Numbers = NDArray[np.float64]


class Weights(ABC):
    """All floating-point parameters of a net, in its own order, from the inputs on where it has one."""

    @abstractmethod
    def read(self) -> dict[str, Numbers]:
        """The weights now, on the host, by names such as `layer.weight`."""

    @abstractmethod
    def replaced(self, new: Mapping[str, Numbers]) -> AbstractContextManager[Model]:
        """The model with other weights of these names, inside of the block. Afterwards the net is what
        it was, to the last bit, also where the block raised or was interrupted."""


class InPlace(Weights):
    """Weights that are changed where they are: frameworks whose arrays can be written to."""

    def __init__(self, model: Model) -> None:
        self.model = model

    @abstractmethod
    def kept(self) -> dict[str, object]:
        """By name, all that is needed to put each weight back."""

    @abstractmethod
    def write(self, new: Mapping[str, Numbers]) -> None:
        """Change the weights of these names."""

    @abstractmethod
    def restore(self, kept: Mapping[str, object]) -> None:
        """Put these back."""

    @contextmanager
    def replaced(self, new: Mapping[str, Numbers]) -> Iterator[Model]:
        kept = {name: one for name, one in self.kept().items() if name in new}
        try:
            self.write(new)
            yield self.model
        finally:
            self.restore(kept)


def weights_of(model: Model) -> Weights:
    """The weights of a model's net.

    Raises:
        InputError: it has none that can be found, or is of a framework whose nets are not known.
    """
    found: Weights | None = None
    if isinstance(model, NetModel):
        net = model.given
        match model.framework:
            case "torch":
                from backlight_metrics.weights.torch_weights import torch_weights

                found = torch_weights(model, net)
            case "tensorflow":
                from backlight_metrics.weights.tensorflow_weights import tensorflow_weights

                found = tensorflow_weights(model, net)
            case "jax":
                from backlight_metrics.weights.jax_weights import jax_weights

                found = jax_weights(model, net)
            case "mlx":
                from backlight_metrics.weights.mlx_weights import mlx_weights

                found = mlx_weights(model, net)
    if found is None or not found.read():
        raise InputError(
            f"No weights were found in this {model.framework} model, so that none can be randomised. "
            "Give the module, or the function that closes over the arrays."
        )
    return found


def owner_of(net: object) -> object:
    """The object behind a bound method."""
    return getattr(net, "__self__", net)
