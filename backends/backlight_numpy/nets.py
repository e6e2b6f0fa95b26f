"""What runs, and what it tells of itself; a plain function of NumPy arrays."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable
from typing import cast, final

import numpy as np
from numpy.typing import NDArray

from backlight.errors import ModelError
from backlight.memory.identity import identity_of
from backlight.values.arrays import Array, Channels, shape_of
from backlight.values.frame_columns import FrameColumns
from backlight.values.inputs import Inputs
from backlight.values.outputs import Outputs, specified
from backlight.values.tree import map_nested


class Net(ABC):
    """See the module; a plain function, an estimator or a session."""

    channels: Channels = "last"
    """Where pictures have their channels: where NumPy's users have them."""
    floating: np.dtype[np.floating] | None = None
    """The one dtype of floating-point numbers that it takes; None where it takes any."""

    @property
    def class_names(self) -> tuple[str, ...] | None:
        """What it calls the classes of its output, in their order."""
        return None

    def with_columns(self, columns: FrameColumns) -> "Net | None":
        """The same, given rows of data frames with these columns, which it makes frames again; None where
        it takes arrays."""
        return None

    @abstractmethod
    def identity(self) -> Hashable:
        """What it is made of at the moment."""

    @abstractmethod
    def outputs(self, inputs: Inputs) -> object:
        """What it gives for prepared inputs, which stay as they are."""

    def specified(self, outputs: object) -> Outputs:
        """Shapes of outputs, and what is known of their meaning."""
        return specified(outputs)


@final
class PlainFunction(Net):
    """A function of NumPy arrays, of which nothing but its outputs is known."""

    def __init__(self, function: Callable[..., object]) -> None:
        self._function = function

    def identity(self) -> Hashable:
        return identity_of(self._function)

    def outputs(self, inputs: Inputs) -> object:
        positional, keyword = inputs.map_rows(copied).arguments()  # it may write into them
        return self._function(*positional, **keyword)


def copied(array: Array) -> Array:
    return cast(Array, np.array(array))


def hosted(outputs: object) -> object:
    """Outputs whose arrays are NumPy's, whatever they came as.

    Raises:
        ModelError: there is something among them that is no array.
    """

    def array(part: object) -> NDArray[np.generic]:
        if not hasattr(part, "shape"):
            raise ModelError(
                f"The model returned a {type(part).__name__} where an array with the examples on axis 0 "
                "is wanted, or a tuple or dict of such arrays: np.asarray makes one of nested lists."
            )
        return np.asarray(part)

    return map_nested(array, outputs)


def given(inputs: Inputs) -> str:
    """What a model was called with, for messages: dtypes and shapes, by position or name."""
    positional, keyword = inputs.arguments()
    named = [f"{name}={described(one)}" for name, one in keyword.items()]
    return ", ".join([*map(described, positional), *named])


def described(argument: object) -> str:
    if not isinstance(argument, np.ndarray):
        return type(argument).__name__
    return f"{argument.dtype} {shape_of(argument)}"
