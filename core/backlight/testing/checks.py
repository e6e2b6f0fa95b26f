"""A check: one law on one golden net, which passes or says what is wrong."""

import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from backlight.errors import BacklightWarning, reason

DIFFERENCES = 1e-8
"""How far off the reference's gradients may be, relative to the largest: central differences have about
ten digits."""
ROUNDINGS = 128
"""Two ways to the same number may be apart by this many roundings."""


def rounding(dtype: str) -> float:
    """How far two ways to the same number may be apart in this dtype, relative to the largest number."""
    return ROUNDINGS * float(np.finfo(dtype).eps)


def slope_error(dtype: str) -> float:
    """How far gradients in this dtype may be from the reference's, relative to the largest."""
    return DIFFERENCES + rounding(dtype)


@final
@dataclass(frozen=True)
class Check:
    """A law on a golden net. Calling it checks it.

    Attributes:
        law: its name, such as `gradient`.
        net: the golden net's name, such as `cnn`.
        about: the law as a sentence.
    """

    law: str
    net: str
    about: str
    run: Callable[[], str | None]

    def __str__(self) -> str:
        return f"{self.law}[{self.net}]"

    def __call__(self) -> str | None:
        """Check it.

        Returns: why it does not apply, or None where it holds.

        Raises:
            AssertionError: it does not hold, or an error was raised on the way; the message begins with
                the check's name.
        """
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", BacklightWarning)
                return self.run()
        except AssertionError as error:
            raise AssertionError(f"{self}: {error} (The law: {self.about})") from error
        except Exception as error:
            raise AssertionError(f"{self}: it raised {reason(error)}.") from error


def failures(checks: Iterable[Check]) -> list[str]:
    """What is wrong, a message for each check that fails."""
    found = []
    for check in checks:
        try:
            check()
        except AssertionError as error:
            found.append(str(error))
    return found


def require_all(what: str, checks: Iterable[Check]) -> None:
    """Raise AssertionError with every check that fails."""
    found = failures(checks)
    if found:
        raise AssertionError("\n".join((f"{what} breaks {len(found)} laws:", *found)))


def require(condition: bool, message: str) -> None:
    """Raise AssertionError, also where Python leaves `assert` out."""
    if not condition:
        raise AssertionError(message)


def close(
    found: NDArray[np.generic], expected: NDArray[np.generic], tolerance: float, what: str
) -> None:
    """Raise unless shapes are equal, and numbers to a tolerance relative to the largest expected one."""
    require(
        found.shape == expected.shape,
        f"{what} has the shape {found.shape}, where {expected.shape} is right.",
    )
    right = expected.astype(np.float64)
    difference = np.abs(found.astype(np.float64) - right)
    size = max(float(np.abs(right).max(initial=0.0)), 1e-30)
    if bool((difference <= tolerance * size).all()):
        return
    place = np.unravel_index(int(np.nanargmax(difference)), difference.shape)
    index = ", ".join(map(str, place))
    raise AssertionError(
        f"{what} is {found[place]:.9g} at [{index}], where {expected[place]:.9g} is right; the "
        f"tolerance is {tolerance:g} of the largest, {size:.3g}."
    )


def same(found: NDArray[np.generic], expected: NDArray[np.generic], what: str) -> None:
    """Raise unless all bits are the same."""
    require(
        found.dtype == expected.dtype and np.array_equal(found, expected),
        f"{what} is not what it was, bit for bit.",
    )


def sentence(law: Callable[..., object]) -> str:
    """What a law says: its docstring, on one line."""
    return " ".join((law.__doc__ or "").split())
