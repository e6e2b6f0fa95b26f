"""The golden nets as plain functions of NumPy arrays: those of the kit's own reference, in each dtype."""

from typing import ClassVar, cast, final

import numpy as np
from numpy.typing import NDArray

from backlight import Model, wrap
from backlight.testing import Builder, Net
from backlight.testing.nets import Values
from backlight.testing.reference import NumPyLayers
from backlight.values.arrays import Channels


@final
class NumPyNet:
    """A golden net, called with NumPy arrays."""

    def __init__(self, net: Net, dtype: str) -> None:
        self.dtype = dtype
        self.net = net.with_weights(
            {name: values.astype(dtype) for name, values in net.weights.items()}
        )

    def __call__(self, *inputs: Values) -> NDArray[np.generic]:
        found = self.net.run(NumPyLayers(self.net), *inputs)
        return cast(NDArray[np.generic], found.astype(self.dtype))  # erf computes in float64


class NumPyBuilder(Builder):
    """Golden nets without gradients."""

    framework: ClassVar[str] = "numpy"
    channels: ClassVar[Channels] = "last"
    differentiable: ClassVar[bool] = False

    def build(self, net: Net, dtype: str) -> NumPyNet:
        return NumPyNet(net, dtype)

    def model(self, built: object) -> Model:
        """With what its user knows of the outputs, as a function shows nothing."""
        return wrap(built, "numpy", outputs=cast(NumPyNet, built).net.kind)

    def edit(self, built: object, name: str, values: Values) -> None:
        made = cast(NumPyNet, built)
        made.net = made.net.with_weights({name: values.astype(made.dtype)})
