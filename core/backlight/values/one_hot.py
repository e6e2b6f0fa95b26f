"""Values that hold letters: one 1 along an axis at each place."""

import numpy as np
from numpy.typing import NDArray

from backlight.errors import InputError
from backlight.values.layout import Layout


def letters_axis(value: NDArray[np.generic], layout: Layout | None, who: str) -> int:
    """The axis of letters of one-hot sequences: (N, L, letters) or (N, letters, L), with one 1 at each
    place, or, as padding, only zeros.

    Args:
        layout: where the value has its channels, the letters; None where that is not known.
        who: needs them, for the message.

    Raises:
        InputError: it is another value.
    """
    axis = None if layout is None or value.ndim != 3 else layout.channel_axis
    if axis is not None and is_one_hot(value, axis):
        return axis
    where = "" if axis is None else f", whose letters were taken to be on axis {axis}"
    raise InputError(
        f"{who} needs one-hot sequences (N, L, letters) or (N, letters, L), with at most one 1 at each "
        f"place; got a value of shape {value.shape}{where}. Where letters are elsewhere, say "
        "backlight.wrap(net, channels='first') or 'last'."
    )


def is_one_hot(value: NDArray[np.generic], axis: int) -> bool:
    """Whether there is at most one 1 along the axis at each place, and else zeros."""
    known = bool(np.isin(value, (0, 1)).all())
    return known and bool((np.count_nonzero(value, axis=axis) <= 1).all())
