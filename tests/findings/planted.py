"""Studies in which the truth is planted."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backlight_findings import Studied


def blank(rows: Sequence[int]) -> NDArray[np.uint8]:
    return np.zeros((len(rows), 8, 8), dtype=np.uint8)


def studied(
    labels: NDArray[np.int64],
    predicted: NDArray[np.int64],
    *,
    probabilities: NDArray[np.float64] | None = None,
    metadata: Mapping[str, NDArray[Any]] | None = None,
    pictures: NDArray[Any] | None = None,
    maps: Mapping[tuple[str, str], NDArray[np.float64]] | None = None,
    explained: Sequence[int] | None = None,
    masks: NDArray[np.bool_] | None = None,
    seed: int = 0,
) -> Studied:
    """Only what a test is about needs to be said: all examples are explained, pictures are black."""
    count, classes = len(labels), int(max(labels.max(), predicted.max())) + 1
    if probabilities is None:
        probabilities = np.full((count, classes), 0.2 / max(classes - 1, 1))
        probabilities[np.arange(count), predicted] = 0.8
    return Studied(
        labels,
        probabilities,
        predicted,
        [f"class {k}" for k in range(probabilities.shape[1])],
        [f"{row}.png" for row in range(count)],
        metadata or {},
        blank if pictures is None else lambda rows: pictures[list(rows)],
        range(count) if explained is None else explained,
        maps or {},
        masks,
        seed,
    )


def cell(wrong: NDArray[np.float64], right: NDArray[np.float64], seed: int = 0) -> Studied:
    """Mistakes of class 0 for class 1 with these maps, and right examples of class 0 with those."""
    labels = np.zeros(len(wrong) + len(right), dtype=np.int64)
    predicted = np.repeat([1, 0], [len(wrong), len(right)])
    maps = {("gradient", "contrast"): np.concatenate([wrong, right])}
    return studied(labels, predicted, maps=maps, seed=seed)


def noisy(random: np.random.Generator, count: int, side: int = 32) -> NDArray[np.float64]:
    return random.normal(size=(count, side, side))


def marked(random: np.random.Generator, count: int, marks: int) -> NDArray[np.float64]:
    """Noisy maps, the first of which have a watermark in a corner."""
    maps = noisy(random, count)
    maps[:marks, 2:8, 2:8] += 3
    return maps


def spots(random: np.random.Generator, count: int, side: int = 32) -> NDArray[np.float64]:
    """Maps of objects that may be anywhere: a continuum without clusters."""
    place = random.uniform(0.2 * side, 0.8 * side, (2, count, 1, 1))
    rows, columns = np.mgrid[:side, :side]
    squares = (rows - place[0]) ** 2 + (columns - place[1]) ** 2
    return np.exp(-squares / 32) + 0.3 * noisy(random, count, side)
