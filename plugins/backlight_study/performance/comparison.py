"""Two models on the same examples: what the second one mends and breaks."""

from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from backlight.errors import InputError
from backlight_study.performance.estimate import Estimate, Json
from backlight_study.performance.intervals import NORMAL


@final
@dataclass(frozen=True)
class McNemar:
    """Two models on the same examples.

    Attributes:
        fixed: examples that only the second one gets right.
        broken: examples that only the first one gets right.
        same_right, same_wrong: examples that both get right, or wrong (maybe not alike).
    """

    fixed: int
    broken: int
    same_right: int
    same_wrong: int

    @property
    def count(self) -> int:
        return self.fixed + self.broken + self.same_right + self.same_wrong

    @property
    def p_value(self) -> float:
        """How probable it is, if both models are equally accurate, that fixed and broken differ at least
        this much: the exact two-sided binomial test of fixed among fixed + broken, at 1/2.

        Source: McNemar 1947, Note on the sampling error of the difference between correlated
        proportions or percentages.
        """
        from scipy.stats import binomtest

        moved = self.fixed + self.broken
        return float(binomtest(self.fixed, moved, 0.5).pvalue) if moved else 1.0

    @property
    def difference(self) -> Estimate:
        """The second one's accuracy minus the first one's, (fixed - broken) / N, in [-1, 1].

        The interval is d -+ z sqrt((f + b - d^2) / (N + 2)), cut at -1 and 1, with f = (fixed + 1) /
        (N + 2), b = (broken + 1) / (N + 2) and d = f - b.

        Source: Bonett and Price 2012, Adjusted Wald confidence interval for a difference of binomial
        proportions based on paired data.
        """
        f, b = ((one + 1) / (self.count + 2) for one in (self.fixed, self.broken))
        half = NORMAL * float(np.sqrt((f + b - (f - b) ** 2) / (self.count + 2)))
        value = (self.fixed - self.broken) / self.count
        return Estimate(value, max(-1.0, f - b - half), min(1.0, f - b + half))

    def to_dict(self) -> dict[str, Json]:
        return {
            "fixed": self.fixed,
            "broken": self.broken,
            "same_right": self.same_right,
            "same_wrong": self.same_wrong,
            "difference": self.difference.to_dict(),
            "p_value": self.p_value,
        }

    def __str__(self) -> str:
        return (
            f"fixed {self.fixed}, broken {self.broken}, right in both {self.same_right}, wrong in both "
            f"{self.same_wrong}; accuracy {self.difference.value:+.3f} "
            f"({self.difference.low:+.3f} to {self.difference.high:+.3f}), p = {self.p_value:.3g}"
        )


def mcnemar(first_right: NDArray[Any], second_right: NDArray[Any]) -> McNemar:
    """Two models, by whether each got each example right.

    Args:
        first_right, second_right: truth values, (N,) each, of the same examples in the same order.

    Raises:
        InputError: they are not truth values of one shape (N,).
    """
    first, second = np.asarray(first_right), np.asarray(second_right)
    if first.shape != second.shape or first.ndim != 1 or not len(first):
        raise InputError(
            "Both models must have answered the same N examples: two arrays of truth values of shape "
            f"(N,); got {first.shape} and {second.shape}."
        )
    if first.dtype != np.bool_ or second.dtype != np.bool_:
        raise InputError(
            "Say of each example whether the model got it right, in truth values: predicted == labels; "
            f"got arrays of {first.dtype} and {second.dtype}."
        )
    return McNemar(
        int((second & ~first).sum()),
        int((first & ~second).sum()),
        int((first & second).sum()),
        int((~first & ~second).sum()),
    )
