"""Breast cancer, thirty measurements of cells, as scikit-learn has it: every second row is for training.

W. Street, W. Wolberg, O. Mangasarian: Nuclear feature extraction for breast tumor diagnosis. 1993.
"""

import numpy as np
import numpy.typing as npt
from sklearn.datasets import load_breast_cancer

from backlight import Examples


def rows(first: int) -> Examples:
    """Every second row from this one on, 0 or 1."""
    found = load_breast_cancer()
    return Examples(
        found.data[first::2],
        found.target[first::2].astype(np.int64),
        tuple(map(str, found.target_names)),
        features=tuple(map(str, found.feature_names)),
    )


def training() -> Examples:
    return rows(0)


def examples() -> Examples:
    """Those that the net was not trained on."""
    return rows(1)


def spread() -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """The mean and the standard deviation of each column, (30,), of the training rows."""
    x = training().x.astype(np.float64)
    return x.mean(axis=0), x.std(axis=0)
