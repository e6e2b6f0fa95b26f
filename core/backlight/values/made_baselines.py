"""Baselines that are made of the examples themselves."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from backlight.by_value import ByValue
from backlight.errors import InputError
from backlight.values.layout import Layout

Host = NDArray[np.generic]

BLUR = 40
"""The standard deviation of the blur is this part of the longest side, 5.6 pixels of 224, and at least
one place."""


class MadeBaseline(ByValue, ABC):
    """What makes the baselines of each example. Implementations are final, frozen dataclasses."""

    @abstractmethod
    def of(self, value: Host, layout: Layout | None, rows: NDArray[np.int64]) -> Sequence[Host]:
        """One or several baselines of each of some examples, over which results are averaged; each of
        them shaped like the value.

        An example's baselines must not depend on which other examples are there.

        Args:
            value: an input of the examples, or what they have at `at`, shape (N, ...), of the dtype that
                it has in the model; float32 where that is a shorter one.
            layout: where it has its channels and its places; None where that is not known.
            rows: where the examples are in the user's batch, shape (N,).

        Raises:
            InputError: a value for which there are none, with what to do instead.
        """


@final
@dataclass(frozen=True)
class Blur(MadeBaseline):
    """The example itself, out of focus."""

    def of(self, value: Host, layout: Layout | None, rows: NDArray[np.int64]) -> tuple[Host]:
        numbers = numbers_of(value, "blur")
        if layout is None or layout.tokens:
            raise InputError(
                f"'blur' needs places with neighbours, which a value of shape {value.shape} has not, as "
                "far as is known; say a number, an array, or 'mean'."
            )
        from scipy.ndimage import gaussian_filter  # here: who blurs nothing need not wait for it

        width = max(1.0, max(layout.grid) / BLUR)
        still = 0, layout.channel_axis
        widths = [0.0 if axis in still else width for axis in range(value.ndim)]
        return (gaussian_filter(numbers, widths, mode="nearest"),)


@final
@dataclass(frozen=True)
class Mean(MadeBaseline):
    """The mean over the example's places, channel by channel. Where the layout is not known, tokens are
    the places of a value (N, tokens, features), and all numbers those of another one."""

    def of(self, value: Host, layout: Layout | None, rows: NDArray[np.int64]) -> tuple[Host]:
        features = 2 if value.ndim == 3 else None
        channels = features if layout is None else layout.channel_axis
        places = tuple(axis for axis in range(1, value.ndim) if axis != channels)
        mean = numbers_of(value, "mean").mean(axis=places, keepdims=True)
        return (np.broadcast_to(mean, value.shape),)


def numbers_of(value: Host, name: str) -> NDArray[np.float64]:
    """The value in float64, if it has floating-point numbers."""
    if value.dtype.kind != "f":
        raise InputError(f"{name!r} needs floating-point numbers; say a number, or an array.")
    return value.astype(np.float64)


NAMED: Mapping[str, MadeBaseline] = {"blur": Blur(), "mean": Mean()}
"""Those that a user says by name."""
