"""The loss of each answer: how improbable the model found what is true."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from backlight_study.performance.estimate import Floats

BLOCK = 1 << 20
"""How many probabilities are worked on at a time."""


def losses(
    labels: NDArray[np.int64], probabilities: NDArray[np.floating[Any]], independent: bool
) -> Floats:
    """-log p of the true class, (N,), in nats; of independent probabilities also - log(1 - p) of every
    other one. Infinite where the model ruled out what is true."""
    rows = np.arange(len(labels))
    true = np.clip(probabilities[rows, labels], 0, 1).astype(np.float64)
    with np.errstate(divide="ignore"):
        loss: Floats = -np.log(true)
        if independent:
            step = max(1, BLOCK // probabilities.shape[1])
            for start in range(0, len(labels), step):
                part = slice(start, start + step)
                others = np.clip(probabilities[part].astype(np.float64), 0, 1)
                others[np.arange(len(others)), labels[part]] = 0
                loss[part] -= np.log1p(-others).sum(axis=1)
    return loss + 0.0  # no -0


def infinite(loss: Floats) -> str:
    """Why a mean loss is undefined."""
    count = int(np.isinf(loss).sum())
    return f"infinite: {count} of {len(loss)} examples have a probability of exactly 0 for what is true"
