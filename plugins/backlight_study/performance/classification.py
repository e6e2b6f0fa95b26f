"""How well a classifier does: accuracy, classes, confusions, calibration, log loss."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from backlight_study.performance.areas import areas
from backlight_study.performance.calibration import Calibration, calibration
from backlight_study.performance.checked import (
    check_same_length,
    check_samples,
    check_sums,
    checked_labels,
    checked_probabilities,
)
from backlight_study.performance.classes import (
    ClassPerformance,
    Macro,
    each_class,
    macro,
    undefined_figures,
)
from backlight_study.performance.confusion import Confusion, confusions
from backlight_study.performance.counts import Counts
from backlight_study.performance.estimate import (
    Estimate,
    Floats,
    Json,
    estimate,
    mean_of_defined,
)
from backlight_study.performance.intervals import METHODS, percentile, resamples, wilson
from backlight_study.performance.log_loss import infinite, losses
from backlight_study.performance.text import table


@final
@dataclass(frozen=True)
class Performance:
    """How well a classifier does on examples whose class is known.

    Attributes:
        count: how many examples there are.
        correct: how many of them have the highest probability for their class.
        accuracy: correct / count.
        classes: each class's figures, in the classes' order.
        macro: their means; each says which classes are in it.
        log_loss: the mean over examples of -log p of the true class, in nats; of independent
            probabilities, of -log p of the true class - sum over the others of log(1 - p).
        calibration: whether it is right as often as it is confident.
        confusion: the cells of the confusion matrix that are not 0, by true class, then predicted.
        samples, seed: of the bootstrap.
    """

    count: int
    correct: int
    accuracy: Estimate
    classes: tuple[ClassPerformance, ...]
    macro: Macro
    log_loss: Estimate
    calibration: Calibration
    confusion: tuple[Confusion, ...]
    samples: int
    seed: int

    def top_confusions(self, most: int = 10) -> tuple[Confusion, ...]:
        """The mistakes that occur most often, the most frequent first; equals by class."""
        mistakes = [cell for cell in self.confusion if cell.true != cell.predicted]
        return tuple(sorted(mistakes, key=lambda cell: -cell.count)[:most])

    def to_dict(self) -> dict[str, Json]:
        """`performance` and `confusion`, of what JSON can hold; classes are their numbers.

        An undefined figure is None, and `performance["undefined"]` says why; `intervals` says how each
        interval was made.
        """
        return {
            "performance": {
                "accuracy": {
                    **(self.accuracy.to_dict() or {}),
                    "correct": self.correct,
                    "count": self.count,
                },
                "macro": self.macro.to_dict(),
                "classes": [{"class": k, **one.to_dict()} for k, one in enumerate(self.classes)],
                "calibration": self.calibration.to_dict(),
                "log_loss": self.log_loss.to_dict(),
                "undefined": [
                    *undefined_figures(self.classes),
                    *(
                        [{"figure": "log_loss", "reason": self.log_loss.reason, "classes": []}]
                        if self.log_loss.value is None
                        else []
                    ),
                ],
                "intervals": {
                    "level": 0.95,
                    "samples": self.samples,
                    "seed": self.seed,
                    "methods": METHODS,
                },
            },
            "confusion": [cell.to_dict() for cell in self.confusion],
        }

    def text(self, names: Sequence[str] | None = None, most: int = 20) -> str:
        """A plain table: the means, the `most` classes with the lowest F1, the top confusions.

        Args:
            names: of the classes; else their numbers.
        """
        return table(self, names or [str(k) for k in range(len(self.classes))], most)

    def __str__(self) -> str:
        return self.text()


def performance(
    labels: NDArray[Any],
    probabilities: NDArray[Any],
    *,
    independent: bool = False,
    seed: int = 0,
    samples: int = 1000,
) -> Performance:
    """How well a classifier does on examples whose class is known, with 95 % intervals.

    An example's answer is the class with the highest probability, the first among equals. Time is
    that of sorting each class's probabilities once, and of `samples` passes over N numbers;
    `probabilities` is not copied.

    Args:
        labels: the true classes, whole numbers in 0 ... classes - 1, (N,).
        probabilities: (N, classes), in [0, 1], floating point. All classes of the model, also those
            that the data has not.
        independent: whether they are independent ones, a sigmoid for each class; else those of an
            example add up to 1, to 0.02. One sigmoid for two classes, p and 1 - p, is not.
        seed: of the bootstrap.
        samples: how many bootstrap samples are drawn, at least 20.

    Raises:
        InputError: shapes, types or ranges are others, NaN included.
    """
    probabilities = checked_probabilities(probabilities)
    labels = checked_labels(labels, probabilities.shape[1])
    check_same_length(len(labels), len(probabilities))
    check_samples(samples)
    if not independent:
        check_sums(probabilities)
    count, classes = probabilities.shape
    predicted = probabilities.argmax(axis=1).astype(np.int64)
    right = predicted == labels
    confidence = np.clip(probabilities[np.arange(count), predicted], 0, 1).astype(np.float64)
    loss = losses(labels, probabilities, independent)
    counts = Counts.of(labels, predicted, classes)
    found = areas(lambda k: labels == k, probabilities)
    draws = bootstrap(labels, predicted, classes, loss, samples, seed)
    low, high = wilson(right.mean(), count)
    return Performance(
        count,
        int(right.sum()),
        Estimate(float(right.mean()), float(low), float(high)),
        each_class(counts, found),
        macro(counts, found, draws[:, :3]),
        log_loss(loss, draws[:, 3]),
        calibration(confidence, right, samples, seed),
        confusions(labels, predicted, classes),
        samples,
        seed,
    )


def bootstrap(
    labels: NDArray[np.int64],
    predicted: NDArray[np.int64],
    classes: int,
    loss: Floats,
    samples: int,
    seed: int,
) -> Floats:
    """Macro precision, recall and F1, and the mean loss, of each bootstrap sample: (samples, 4). A class
    for which a figure is undefined in a sample is left out of that sample's mean."""
    finite = np.where(np.isfinite(loss), loss, 0.0)
    draws = np.empty((samples, 4))
    for row, weights in enumerate(resamples(len(labels), samples, seed)):
        counts = Counts.of(labels, predicted, classes, weights)
        figures = (counts.precision, counts.recall, counts.f1)
        draws[row, :3] = [mean_of_defined(one) for one in figures]
        draws[row, 3] = weights @ finite / len(labels)
    return draws


def log_loss(loss: Floats, draws: Floats) -> Estimate:
    if not np.isfinite(loss).all():
        return Estimate(None, reason=infinite(loss))
    interval = percentile(draws) if len(loss) > 1 else (float("nan"), float("nan"))
    return estimate(float(loss.mean()), interval, "")
