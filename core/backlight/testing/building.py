"""Golden nets in a framework: what its author says once, and a net that is ready to be asked."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import cached_property
from typing import Any, ClassVar, TypeAlias, cast, final

import numpy as np
from numpy.typing import NDArray

from backlight.model.model import Gradient, Model
from backlight.model.wrapping import wrap
from backlight.rules.rules import Rules
from backlight.scores.class_scores import Class
from backlight.scores.scores import Score
from backlight.testing.nets import Net, Values
from backlight.values.arrays import Array, Channels
from backlight.values.tree import Tree, leaves

Numbers: TypeAlias = NDArray[np.floating[Any]]

CLASSES = (1, 0, 2)
"""Which output is explained for each of a net's three examples."""


class Builder(ABC):
    """A framework's golden nets. Usually a class whose objects are the nets implements `Layers` on top of
    the framework's layers, and `build` makes one.

    Attributes:
        framework: its name, as `Model.framework` and `backlight.wrap` have it.
        channels: where pictures have their channels.
        differentiable: whether the framework has gradients. Of one that has none, outputs and scores are
            checked.
        dtypes: those in which the framework computes every layer to its last digits, the most precise
            first: that is what nets are built in, where a law does not say which. What is right is
            computed in float64, and compared to as many digits as the dtype has.
    """

    framework: ClassVar[str]
    channels: ClassVar[Channels]
    differentiable: ClassVar[bool] = True
    dtypes: ClassVar[tuple[str, ...]] = ("float64", "float32")

    def __init__(self) -> None:
        self._trials: dict[tuple[str, str], Trial] = {}

    @abstractmethod
    def build(self, net: Net, dtype: str) -> object:
        """The net as a user of the framework has it, ready for `backlight.wrap`.

        Args:
            net: what it computes, and its weights; lay these out as the framework does.
            dtype: of weights and inputs, one of `dtypes`.
        """

    @abstractmethod
    def edit(self, built: object, name: str, values: Values) -> None:
        """Change a weight of a net that `build` made, as a user would; `values` as in `Net.weights`."""

    def state(self, built: object) -> object:
        """What else of a net must be the same after it was explained, to compare with `==`: flags, hooks,
        the mode of training. None where there is nothing."""
        return None

    def precision(self, dtype: str) -> AbstractContextManager[object]:
        """Where the framework computes in this dtype."""
        return nullcontext()

    def model(self, built: object) -> Model:
        """The net as Backlight's backend sees it."""
        return wrap(built, self.framework)

    @final
    def trial(self, net: Net, dtype: str | None = None) -> "Trial":
        """The net, built once; for questions that leave it as it is. Without a dtype: the first."""
        key = (net.name, dtype or self.dtypes[0])
        if key not in self._trials:
            self._trials[key] = Trial(self, net, key[1])
        return self._trials[key]


@final
class Trial:
    """A golden net of a framework. Arrays go in and come out as the golden nets have them: NumPy,
    channels last."""

    def __init__(self, builder: Builder, net: Net, dtype: str | None = None):
        self.builder, self.net, self.dtype = builder, net, dtype or builder.dtypes[0]
        with self.precision():
            self.built = builder.build(net, self.dtype)
            self.model = builder.model(self.built)

    def precision(self) -> AbstractContextManager[object]:
        return self.builder.precision(self.dtype)

    def laid_out(self, values: NDArray[np.generic]) -> NDArray[np.generic]:
        """An array as the framework has it: pictures with their channels where it wants them."""
        first = values.ndim == 4 and self.builder.channels == "first"
        floating = values.dtype.kind == "f"
        return np.ascontiguousarray(np.moveaxis(values, -1, 1) if first else values).astype(
            self.dtype if floating else values.dtype
        )

    def numbers(self, array: Array) -> Numbers:
        """The framework's floating-point numbers in NumPy."""
        return cast(Numbers, self.model.to_numpy(array))

    def brought_back(self, array: Array) -> Numbers:
        """What `laid_out` did, undone."""
        values = self.numbers(array)
        first = values.ndim == 4 and self.builder.channels == "first"
        return np.moveaxis(values, 1, -1) if first else values

    def tree(self, inputs: Sequence[Values]) -> Tree:
        """What the net is called with: native arrays, a tuple of them for several inputs."""
        arrays = tuple(self.model.asarray(self.laid_out(one)) for one in inputs)
        return arrays if len(arrays) > 1 else arrays[0]

    @cached_property
    def inputs(self) -> Tree:
        """The net's own inputs."""
        with self.precision():
            return self.tree(self.net.inputs)

    def rows(self, rows: Sequence[int]) -> Tree:
        """Some examples of the net's own inputs."""
        return self.tree([one[list(rows)] for one in self.net.inputs])

    def score(self, rows: Sequence[int] = (0, 1, 2)) -> Score:
        """The class scores that are explained, for these examples."""
        outputs = self.model.outputs(self.rows(rows))
        classes = np.asarray(CLASSES)[list(rows)]
        return Class(classes).bind(outputs, len(rows))

    def predict(self) -> Numbers:
        with self.precision():
            return self.numbers(cast(Array, self.model.predict(self.inputs)))

    def edit(self) -> Net:
        """Change weights at both ends as a user would, and return the golden net of these weights."""
        changed = {}
        for name in (next(iter(self.net.weights)), "head.bias"):
            changed[name] = 1.5 * self.net.weights[name] + 0.1
            with self.precision():
                self.builder.edit(self.built, name, changed[name])
        return self.net.with_weights(changed)

    def gradient(
        self,
        rules: Rules | None = None,
        reference: Tree | None = None,
        rows: Sequence[int] = (0, 1, 2),
    ) -> Gradient:
        """The framework's own arrays; `slopes` gives NumPy's."""
        with self.precision():
            inputs = self.rows(rows)
            return self.model.gradient(inputs, self.score(rows), rules=rules, reference=reference)

    def slopes(
        self,
        rules: Rules | None = None,
        reference: Tree | None = None,
        rows: Sequence[int] = (0, 1, 2),
    ) -> list[Numbers]:
        """d score / d input for each input."""
        found = self.gradient(rules, reference, rows)
        return [self.brought_back(one) for one in leaves(found.gradient)]
