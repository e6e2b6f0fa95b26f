"""What the metrics share that compare a map with a mask of the object."""

from typing import cast

import numpy as np
from numpy.typing import NDArray

from backlight import Subject


def masks_of(subject: Subject) -> NDArray[np.bool_]:
    """The masks (n, places); `evaluate` has seen to it that there are some."""
    return cast(NDArray[np.bool_], subject.masks)


def where_there_is_an_object(
    values: NDArray[np.float64], masks: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """The values, NaN for examples whose mask is empty: nothing there is to be found."""
    return np.where(masks.any(axis=1), values, np.nan)
