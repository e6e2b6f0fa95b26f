"""The scale of one drawing, up to a percentile or to a limit that is said."""

from typing import Any

from numpy.typing import NDArray

from backlight.errors import HyperParameterError, is_real
from backlight_pictures.scale import PERCENTILE, Scale, scale_of


def scale_to(
    values: NDArray[Any], percentile: float = PERCENTILE, limit: float | None = None
) -> Scale:
    """
    Args:
        percentile: of |value|, more than 0 and at most 100.
        limit: in place of the percentile, at least 0.

    Raises:
        HyperParameterError: one of them is out of its range.
    """
    if not (is_real(percentile) and 0 < percentile <= 100):
        raise HyperParameterError(
            f"percentile must be more than 0 and at most 100, got {percentile!r}."
        )
    if limit is not None and not (is_real(limit) and limit >= 0):
        raise HyperParameterError(f"limit must be at least 0, got {limit!r}.")
    found = scale_of([values], percentile)
    return found if limit is None else Scale(limit, found.signed)


def end_of(percentile: float, limit: float | None) -> str | None:
    """Where such a scale ends, in words; None where the user has said it."""
    return f"percentile {percentile:g}" if limit is None else None
