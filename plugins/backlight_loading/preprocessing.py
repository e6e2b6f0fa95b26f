"""From stored pictures to what the model takes, in steps that the report shows."""

from collections.abc import Callable
from dataclasses import dataclass
from math import isfinite
from typing import Any, TypeAlias, final

import numpy as np
from numpy.typing import NDArray

from backlight.errors import BacklightError, InputError
from backlight.values.arrays import Channels
from backlight.values.layout import input_layout

Values: TypeAlias = NDArray[Any]


@final
@dataclass(frozen=True)
class Preprocessing:
    """(pixels / divide_by - mean) / std, in float32, channels where the model has them.

    Arrays that hold floats already are ready: they keep their layout, and only what is said here is
    done to them.

    Attributes:
        divide_by: None divides pictures of bytes (uint8) by 255 and leaves everything else alone.
        mean, std: one number for all channels, or one per channel; none leaves them out.
        function: does all of it instead: from the examples' own array to the model's input.
        name: of the function.
    """

    divide_by: float | None = None
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    function: Callable[[Values], object] | None = None
    name: str = ""

    def __post_init__(self) -> None:
        factors = () if self.divide_by is None else (self.divide_by,)
        if not all(map(isfinite, (*factors, *self.mean, *self.std))):
            raise InputError("divide_by, mean and std must be finite numbers.")
        if self.divide_by == 0 or 0 in self.std:
            raise InputError("Pixels cannot be divided by 0: see divide_by and std.")
        if self.function and (self.mean or self.std or self.divide_by is not None):
            raise InputError(
                f"{self.said} prepares the pictures by itself: leave out divide_by, mean and std."
            )

    def __call__(self, x: Values, channels: Channels, wanted_axes: int | None = None) -> Values:
        """Some examples as the model's input.

        Args:
            x: examples, one per row.
            channels: where the model has them.
            wanted_axes: how many axes the model's input has, if it is known.
        """
        if self.function is not None:
            made = self.answer(x)
            if made.shape[:1] != x.shape[:1]:
                raise InputError(
                    f"{self.said} was given {len(x)} pictures and returned an array of shape "
                    f"{made.shape}; it must return one row for each."
                )
            return made
        if x.dtype.kind not in "fiub":
            raise InputError(f"Examples must be numbers, got an array of dtype {x.dtype}.")
        ready = x.dtype.kind == "f"
        if not ready and x.ndim == 3 and wanted_axes != 3:
            x = x[..., None]
        values = x if ready else x.astype(np.float32)
        factor = self.factor(x)
        values = values if factor == 1 else values / np.asarray(factor, values.dtype)
        axis = channel_axis(x, channels)
        if self.mean:
            values = values - self.along(self.mean, values, axis, "mean")
        if self.std:
            values = values / self.along(self.std, values, axis, "std")
        if ready or x.ndim != 4:
            return values
        return np.ascontiguousarray(np.moveaxis(values, axis, 1 if channels == "first" else -1))

    @property
    def said(self) -> str:
        """What errors call the function."""
        return self.name or "The preprocessing function"

    def answer(self, x: Values) -> Values:
        """What the function makes of the examples."""
        try:
            return np.asarray(self.function(x) if self.function else x)
        except BacklightError:
            raise
        except (Exception, SystemExit) as error:  # it is the user's code, which may fail in any way
            raise InputError(f"{self.said} raised {type(error).__name__}: {error}") from error

    def factor(self, x: Values) -> float:
        if self.divide_by is not None:
            return self.divide_by
        return 255.0 if x.dtype == np.uint8 and x.ndim > 2 else 1.0

    def along(self, numbers: tuple[float, ...], values: Values, axis: int, name: str) -> Values:
        """Numbers shaped to go with the channels of `values`."""
        count = values.shape[axis]
        if len(numbers) not in (1, count):
            raise InputError(
                f"{name} must be one number, or one for each of the {count} channels; got "
                f"{len(numbers)}."
            )
        shape = [1] * values.ndim
        shape[axis] = len(numbers)
        return np.asarray(numbers, dtype=values.dtype).reshape(shape)

    def described(self, x: Values) -> str:
        """What is done to the stored values, as a formula."""
        if self.function is not None:
            return f"{self.name or 'a function'} (values)"
        factor = self.factor(x)
        text = "value" if factor == 1 else f"value / {factor:g}"
        if self.mean:
            text = f"{text} \N{MINUS SIGN} {listed(self.mean)}"
        if self.std:
            text = f"({text}) / {listed(self.std)}" if self.mean else f"{text} / {listed(self.std)}"
        return text if text != "value" else "values as they are stored"


def channel_axis(x: Values, channels: Channels) -> int:
    """Where stored examples have their channels.

    Ready floats have them where the model does. Whole numbers are pictures as they come from files,
    channels last, unless only the other side can be a number of colours.
    """
    layout = input_layout(x.shape, channels if x.dtype.kind == "f" else "last")
    return layout.channel_axis if layout and layout.channel_axis else x.ndim - 1


def listed(numbers: tuple[float, ...]) -> str:
    return (
        f"{numbers[0]:g}" if len(numbers) == 1 else f"({', '.join(f'{one:g}' for one in numbers)})"
    )
