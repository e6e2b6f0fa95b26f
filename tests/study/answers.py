"""Answers of a pretended classifier."""

import numpy as np
from numpy.typing import NDArray

Answers = tuple[NDArray[np.int64], NDArray[np.float64]]


def answers(
    count: int, classes: int, seed: int = 0, strength: float = 1.5, present: int | None = None
) -> Answers:
    """Labels (N,), of the first `present` classes alone, and probabilities (N, classes)."""
    random = np.random.default_rng(seed)
    labels = random.integers(present or classes, size=count)
    logits = random.normal(size=(count, classes))
    logits[np.arange(count), labels] += strength
    odds = np.exp(logits)
    return labels, odds / odds.sum(axis=1, keepdims=True)


def certain(predicted: list[int], classes: int) -> NDArray[np.float64]:
    """Probabilities of a model that is sure of these answers."""
    return np.eye(classes)[predicted]
