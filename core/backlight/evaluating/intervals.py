"""Bootstrap intervals of a mean over examples."""

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 2000
AT_ONCE = 2**22
"""How many numbers are drawn at a time."""


def mean_interval(
    values: NDArray[np.float64], seed: int, level: float = 0.95
) -> tuple[float, float]:
    """A bootstrap interval of the mean of values (n,); NaN for fewer than two of them.

    The percentile interval over resampled examples, widened for small n as by Hesterberg, "What
    Teachers Should Know About the Bootstrap" (2015), section 5.3: the tails are those of Student's t,
    and the root of n / (n - 1) makes up for the bootstrap's smaller variance.
    """
    from scipy.special import ndtr, stdtrit  # here: who evaluates nothing need not wait for it

    n = len(values)
    if n < 2:
        return float("nan"), float("nan")
    generator = np.random.default_rng([seed, n])
    means = []
    for start in range(0, RESAMPLES, step := max(1, AT_ONCE // n)):
        rows = generator.integers(n, size=(min(step, RESAMPLES - start), n))
        means.append(values[rows].mean(axis=1))
    tail = ndtr(stdtrit(n - 1, (1 - level) / 2) * np.sqrt(n / (n - 1)))
    low, high = np.quantile(np.concatenate(means), [tail, 1 - tail])
    return float(low), float(high)
