"""What precision, recall and F1 are made from."""

from dataclasses import dataclass
from typing import Self, final

import numpy as np
from numpy.typing import NDArray

from backlight_study.performance.estimate import Floats
from backlight_study.performance.intervals import wilson


@final
@dataclass(frozen=True, eq=False)
class Counts:
    """How often each class was true, predicted, and both; whole numbers in float64, (..., K).

    Attributes:
        true: TP + FN.
        predicted: TP + FP.
        both: TP.
    """

    true: Floats
    predicted: Floats
    both: Floats

    @classmethod
    def of(
        cls,
        labels: NDArray[np.int64],
        predicted: NDArray[np.int64],
        classes: int,
        weights: NDArray[np.intp] | None = None,
    ) -> Self:
        """Of examples with one class each, (N,); `weights` says how often each one counts."""
        right = labels == predicted
        return cls(
            np.bincount(labels, weights, classes).astype(np.float64),
            np.bincount(predicted, weights, classes).astype(np.float64),
            np.bincount(labels[right], None if weights is None else weights[right], classes).astype(
                np.float64
            ),
        )

    @property
    def precision(self) -> Floats:
        """TP / (TP + FP); NaN for a class that is never predicted."""
        return ratio(self.both, self.predicted)

    @property
    def recall(self) -> Floats:
        """TP / (TP + FN); NaN for a class that the data has not."""
        return ratio(self.both, self.true)

    @property
    def f1(self) -> Floats:
        """2 TP / (2 TP + FP + FN), the harmonic mean of both where they are defined and not 0; NaN for
        a class neither in the data nor predicted."""
        return ratio(2 * self.both, self.true + self.predicted)

    @property
    def either(self) -> Floats:
        """TP + FP + FN."""
        return self.true + self.predicted - self.both

    def precision_limits(self) -> tuple[Floats, Floats]:
        return wilson(self.precision, self.predicted)

    def recall_limits(self) -> tuple[Floats, Floats]:
        return wilson(self.recall, self.true)

    def f1_limits(self) -> tuple[Floats, Floats]:
        """Wilson's for the share J = TP / (TP + FP + FN), a share of trials, and F1 = 2 J / (1 + J).

        Source: Lam, Gopal and Qian 2023, Confidence intervals for the F1 score, arXiv:2309.14621
        (their indirect method).
        """
        low, high = wilson(ratio(self.both, self.either), self.either)
        return 2 * low / (1 + low), 2 * high / (1 + high)


def ratio(part: Floats, whole: Floats) -> Floats:
    """NaN where the whole is 0."""
    return np.asarray(
        np.divide(part, whole, out=np.full(np.shape(whole), np.nan), where=whole != 0)
    )
