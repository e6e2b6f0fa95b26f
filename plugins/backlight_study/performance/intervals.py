"""95 % intervals: Wilson's for shares, the bootstrap's for everything else."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from backlight_study.performance.estimate import Floats

NORMAL = 1.959963984540054
"""The 97.5 % quantile of the normal distribution."""

METHODS = {
    "accuracy; precision, recall and F1 of a class": "Wilson score interval (Wilson 1927; of F1 "
    "through F1 / (2 - F1), Lam, Gopal and Qian 2023)",
    "AUC": "Wilson score interval with as many examples as the variance by DeLong, DeLong and "
    "Clarke-Pearson (1988) is worth",
    "macro averages of precision, recall and F1; log loss": "percentile bootstrap over examples "
    "(Efron and Tibshirani 1993)",
    "calibration error": "the 95 % quantile of the distance between the bins of a bootstrap sample "
    "and those of the data, either way",
}


def wilson(share: Floats | float, count: Floats | float) -> tuple[Floats, Floats]:
    """The limits of Wilson's score interval, those p for which |share - p| <= z sqrt(p (1 - p) / n).

    With q = z^2 / n they are (share + q/2 -+ sqrt(q share (1 - share) + q^2 / 4)) / (1 + q). The
    interval is in [0, 1] and has a width where the share is 0 or 1, which a bootstrap's has not.

    Args:
        share: in [0, 1], any shape; NaN gives NaN.
        count: of how many trials n; need not be whole. 0 gives NaN.

    Source: Wilson 1927, Probable inference, the law of succession, and statistical inference;
    recommended by Brown, Cai and DasGupta 2001, Interval estimation for a binomial proportion.
    """
    share, count = np.asarray(share, dtype=np.float64), np.asarray(count, dtype=np.float64)
    count = np.where(count > 0, count, np.nan)
    q = NORMAL**2 / count
    half = np.sqrt(q * share * (1 - share) + q**2 / 4)
    low, high = (share + q / 2 - half) / (1 + q), (share + q / 2 + half) / (1 + q)
    return np.where(share == 0, 0.0, low), np.where(share == 1, 1.0, high)


def resamples(count: int, samples: int, seed: int) -> Iterator[NDArray[np.intp]]:
    """How often each of `count` examples is in a bootstrap sample: (count,) each time, sum `count`.

    That is the non-parametric bootstrap itself (examples drawn with replacement), said in weights.
    """
    random = np.random.default_rng(seed)
    for _ in range(samples):
        yield np.bincount(random.integers(count, size=count), minlength=count)


def percentile(draws: Floats) -> tuple[float, float]:
    """The 2.5 % and 97.5 % quantiles of a figure's bootstrap values; NaN (a sample in which the figure
    is undefined) is left out, and gives NaN where it is more than half of them.

    Source: Efron and Tibshirani 1993, An Introduction to the Bootstrap, chapter 13.
    """
    defined = draws[~np.isnan(draws)]
    if 2 * len(defined) <= len(draws):
        return float("nan"), float("nan")
    low, high = np.quantile(defined, (0.025, 0.975))
    return float(low), float(high)
