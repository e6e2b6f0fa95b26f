"""Series made up of noise and one of three shapes: a cylinder, a bell or a funnel.

Over moments a to b a cylinder is flat, a bell rises and a funnel falls, by 6 and a number drawn from a
standard normal distribution; a is drawn from 16 to 31, b - a from 32 to 95. The noise has a standard
deviation of 2 (1 in the original), so that there are mistakes to look at.

N. Saito: Local Feature Extraction and Its Applications Using a Library of Bases. Yale 1994.
"""

import numpy as np
import numpy.typing as npt

CLASSES = ("cylinder", "bell", "funnel")

LENGTH, NOISE = 128, 2.0


def made(count: int, seed: int) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    """So many series, float32 (count, 128), and which shape each holds, int64 (count,)."""
    random = np.random.default_rng(seed)
    moments = np.arange(LENGTH)
    labels = np.arange(count) % len(CLASSES)
    series = random.normal(0, NOISE, (count, LENGTH))
    for row, label in zip(series, labels, strict=True):
        begin = random.integers(16, 32)
        length = random.integers(32, 96)
        inside = (moments >= begin) & (moments < begin + length)
        risen = (moments - begin) / length
        shape = (np.ones(LENGTH), risen, 1 - risen)[label]
        row += (6 + random.normal()) * inside * shape
    return series.astype(np.float32), labels.astype(np.int64)


def examples() -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    """300 series that the net was not trained on."""
    return made(300, seed=1)
