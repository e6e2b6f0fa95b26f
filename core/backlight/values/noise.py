"""Random numbers from a seed: drawn on the host, so that every framework sees the same ones.

Each draw is addressed by (seed, sample, leaf) and not by the example, or, where each example is to have
its own, by its place in the user's batch: a result changes neither with the chunks a batch is cut into
nor with an example's batch-mates.
"""

import numpy as np
from numpy.typing import NDArray

from backlight.values.arrays import Channels

# Keys that differ only in zeros at the end are one stream to NumPy: each purpose ends its own.
NORMAL, UNIFORM, CHOICE, SHARES, ORDER, ROWS, SHUFFLE = 1, 2, 3, 4, 5, 6, 7


def normal(
    seed: int, sample: int, leaf: int, shape: tuple[int, ...], channels: Channels = "last"
) -> NDArray[np.float64]:
    """Standard normal noise of `shape` (one example, no batch axis) for one sample of one leaf.

    It is drawn with the channels last and moved to where `shape` has them, so that a picture gets the
    same noise on a framework that has them first.
    """
    generator = np.random.default_rng([seed, sample, leaf, NORMAL])
    if channels == "first":
        return np.moveaxis(generator.standard_normal((*shape[1:], shape[0])), -1, 0)
    return generator.standard_normal(shape)


def uniform(seed: int, sample: int) -> float:
    """One number in [0, 1) for one sample."""
    return float(np.random.default_rng([seed, sample, 0, UNIFORM]).random())


def choice(seed: int, sample: int, count: int) -> int:
    """One of `count` things, all equally likely, for one sample."""
    return int(np.random.default_rng([seed, sample, 0, CHOICE]).integers(count))


def shares(seed: int, sample: int, count: int, leaf: int = 0) -> NDArray[np.float64]:
    """`count` numbers in [0, 1) for one sample of one leaf."""
    return np.random.default_rng([seed, sample, leaf, SHARES]).random(count)


def order(seed: int, sample: int, count: int) -> NDArray[np.int64]:
    """`count` things in a random order, all orders equally likely, for one sample."""
    return np.random.default_rng([seed, sample, 0, ORDER]).permutation(count)


def drawn_rows(seed: int, row: int, count: int, samples: int) -> NDArray[np.int64]:
    """Different ones of `count` things, all as likely, for the example at this place of the batch."""
    generator = np.random.default_rng([seed, row, 0, ROWS])
    return generator.choice(count, samples, replace=False).astype(np.int64)


def shuffling(seed: int, sample: int) -> np.random.Generator:
    """What one sample's shuffles of letters are drawn with."""
    return np.random.default_rng([seed, sample, 0, SHUFFLE])
