"""The scale that values are drawn on: which value gets the strongest colour, and what zero is."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from backlight.errors import InputError, require

PERCENTILE = 99.0
"""How many per cent of the values a computed scale tells apart; the few beyond have the end's colour."""


@final
@dataclass(frozen=True)
class Scale:
    """Which values get which colours; every picture that shares a scale can be compared.

    Attributes:
        limit: the value from which on the colour is the strongest, at least 0; 0 draws all as zero.
        signed: from -limit to limit with zero in the middle; else from zero to limit.
    """

    limit: float
    signed: bool

    def __post_init__(self) -> None:
        require(bool(np.isfinite(self.limit)) and self.limit >= 0, self, "limit", "at least 0")

    @property
    def ends(self) -> tuple[float, float]:
        return (-self.limit if self.signed else 0.0, self.limit)

    def shares(self, values: NDArray[Any]) -> NDArray[np.float64]:
        """Values as shares of the limit, cut off at -1 (0 without a sign) and 1."""
        lowest = -1.0 if self.signed else 0.0
        if self.limit == 0:
            return np.zeros(values.shape)
        return np.clip(values / self.limit, lowest, 1.0)


def scale_of(maps: Iterable[NDArray[Any]], percentile: float = PERCENTILE) -> Scale:
    """One scale for all of these maps: the percentile of |value| over all their values together.

    It is signed if any value is negative. Where the percentile is 0 although some value is not, as
    in a map with one pixel lit, the limit is the largest |value|.

    Raises:
        InputError: NaN or infinity among the values, or no values.
    """
    pool = np.concatenate([np.ravel(values) for values in maps]).astype(np.float64)
    if not pool.size or not np.isfinite(pool).all():
        seen = "NaN or infinity among them" if pool.size else "none"
        raise InputError(f"A scale needs finite values, got {seen}.")
    size = np.abs(pool)
    limit = float(np.percentile(size, percentile)) or float(size.max())
    return Scale(limit, bool((pool < 0).any()))


def number(value: float) -> str:
    """A value in a few characters: three significant digits, a true minus sign, no exponent if short."""
    text = "0" if value == 0 else f"{value:.3g}"
    return text.replace("-", "\N{MINUS SIGN}")
