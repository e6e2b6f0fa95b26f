"""Whether a model is right as often as it is confident."""

from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from backlight_study.performance.estimate import Estimate, Floats, Json, estimate
from backlight_study.performance.intervals import percentile, resamples

BINS = 15
"""Bins of equal width, as in Guo et al. 2017."""


@final
@dataclass(frozen=True)
class Bin:
    """The examples whose confidence is in (low, high]; the first bin has 0 too.

    Attributes:
        low, high: its ends.
        count: how many there are.
        confidence, accuracy: the means of them, in [0, 1]; None where there are none.
    """

    low: float
    high: float
    count: int
    confidence: float | None
    accuracy: float | None


@final
@dataclass(frozen=True)
class Calibration:
    """The confidence of answers, beside how many are right.

    Confidence is the probability of the predicted class.

    Attributes:
        error: the expected calibration error, sum over bins of count / N x |accuracy - confidence|, in
            [0, 1]. It can't be less than 0, so few examples give more than 0 for any model.
        chance: the range (95 % of draws) of that error for a model that is perfectly calibrated and as
            confident on each of these examples. An error within it is no sign of bad calibration.
        bins: all of them, from the least confident.

    Source: Naeini, Cooper and Hauskrecht 2015, Obtaining well calibrated probabilities using Bayesian
    binning; Guo et al. 2017, On calibration of modern neural networks. Chance: Bröcker and Smith 2007,
    Increasing the reliability of reliability diagrams.
    """

    error: Estimate
    chance: tuple[float, float]
    bins: tuple[Bin, ...]

    def to_dict(self) -> dict[str, Json]:
        return {
            "error": self.error.to_dict(),
            "chance": {"low": self.chance[0], "high": self.chance[1]},
            "binning": f"{len(self.bins)} bins of equal width by the predicted class's probability",
            "bins": [
                {
                    "low": one.low,
                    "high": one.high,
                    "count": one.count,
                    "confidence": one.confidence,
                    "accuracy": one.accuracy,
                }
                for one in self.bins
            ],
        }


def calibration(
    confidence: Floats, right: NDArray[np.bool_], samples: int, seed: int
) -> Calibration:
    """The calibration of N answers, from the probability of each and whether it is right.

    The error's interval is what lies within the 95 % quantile q of |bins of a bootstrap sample - bins
    of the data|, summed: by the triangle inequality the true error is between error - q and error + q
    whenever the true bins are within q, also near 0, where a bootstrap's percentiles never reach.
    """
    where, excess = places(confidence), confidence - right
    found = gaps(where, excess)
    random = np.random.default_rng(seed)
    distances, chance = np.empty(samples), np.empty(samples)
    for row, weights in enumerate(resamples(len(right), samples, seed)):
        distances[row] = np.abs(gaps(where, weights * excess) - found).sum()
        luck = random.random(len(right)) < confidence
        chance[row] = np.abs(gaps(where, confidence - luck)).sum()
    error, reach = float(np.abs(found).sum()), float(np.quantile(distances, 0.95))
    unknown = float("nan")
    limits = (max(0.0, error - reach), min(1.0, error + reach))
    return Calibration(
        estimate(error, limits if len(right) > 1 else (unknown, unknown), ""),
        percentile(chance),
        bins(where, confidence, right),
    )


def places(confidence: Floats) -> NDArray[np.intp]:
    """The bin of each example, (N,)."""
    return np.asarray(np.clip(np.ceil(confidence * BINS) - 1, 0, BINS - 1), dtype=np.intp)


def gaps(places: NDArray[np.intp], excess: Floats) -> Floats:
    """The parts of the calibration error of each bin, (BINS,), with the sign of over-confidence.

    Args:
        places: the bin of each example, (N,).
        excess: confidence minus 1 for right answers, minus 0 for wrong ones, (N,).
    """
    return np.bincount(places, weights=excess, minlength=BINS) / len(places)


def bins(places: NDArray[np.intp], confidence: Floats, right: NDArray[np.bool_]) -> tuple[Bin, ...]:
    counts = np.bincount(places, minlength=BINS)
    sure = np.bincount(places, weights=confidence, minlength=BINS)
    correct = np.bincount(places, weights=right, minlength=BINS)
    return tuple(
        Bin(
            k / BINS,
            (k + 1) / BINS,
            int(counts[k]),
            float(sure[k] / counts[k]) if counts[k] else None,
            float(correct[k] / counts[k]) if counts[k] else None,
        )
        for k in range(BINS)
    )
