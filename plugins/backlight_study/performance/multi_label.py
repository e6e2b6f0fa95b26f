"""How well a net does that says of each label whether an example has it."""

from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from backlight.errors import InputError, is_real
from backlight_study.performance.areas import areas
from backlight_study.performance.checked import check_samples, checked_probabilities
from backlight_study.performance.classes import (
    ClassPerformance,
    Macro,
    each_class,
    macro,
    undefined_figures,
)
from backlight_study.performance.counts import Counts, ratio
from backlight_study.performance.estimate import Estimate, Floats, Json, estimate
from backlight_study.performance.intervals import METHODS, percentile, resamples, wilson

BLOCK = 1 << 22
"""How many weights of bootstrap samples are held at a time."""

PAIRS = 100
"""How many pairs of labels that are taken for each other are told, at most."""


@final
@dataclass(frozen=True)
class LabelPerformance:
    """How well the net knows one label.

    Attributes:
        figures: precision, recall, F1, AUC, and how many examples have the label.
        missed: examples that have it, and for which it is not predicted.
        invented: examples that have it not, and for which it is predicted.
    """

    figures: ClassPerformance
    missed: int
    invented: int

    @property
    def mistakes(self) -> int:
        return self.missed + self.invented


@final
@dataclass(frozen=True)
class Micro:
    """Figures of all pairs of an example and a label together; the intervals are the bootstrap's over
    examples, as the labels of one example depend on each other."""

    precision: Estimate
    recall: Estimate
    f1: Estimate

    def to_dict(self) -> dict[str, Json]:
        return {name: getattr(self, name).to_dict() for name in ("precision", "recall", "f1")}


@final
@dataclass(frozen=True)
class Confused:
    """Two labels of which the one is missed where the other is invented.

    Attributes:
        missed, invented: the labels.
        count: in how many examples.
    """

    missed: int
    invented: int
    count: int


@final
@dataclass(frozen=True)
class MultiLabelPerformance:
    """How well a net does that says of each label whether an example has it.

    Attributes:
        count: how many examples there are.
        threshold: a label is predicted where its probability is at least this.
        exact: the share of examples all of whose labels are right.
        labels: each label's figures and mistakes, in the labels' order.
        macro: the figures' means over labels; each says which labels are in it.
        micro: the figures of all labels together.
        confused: labels of which one is missed where the other is invented, the most frequent first.
        samples, seed: of the bootstrap.
    """

    count: int
    threshold: float
    exact: Estimate
    labels: tuple[LabelPerformance, ...]
    macro: Macro
    micro: Micro
    confused: tuple[Confused, ...]
    samples: int
    seed: int

    def to_dict(self) -> dict[str, Json]:
        return {
            "count": self.count,
            "threshold": self.threshold,
            "exact": self.exact.to_dict(),
            "macro": self.macro.to_dict(),
            "micro": self.micro.to_dict(),
            "labels": [
                {
                    "label": k,
                    **one.figures.to_dict(),
                    "missed": one.missed,
                    "invented": one.invented,
                }
                for k, one in enumerate(self.labels)
            ],
            "confused": [
                {"missed": one.missed, "invented": one.invented, "count": one.count}
                for one in self.confused
            ],
            "undefined": undefined_figures([one.figures for one in self.labels]),
            "intervals": {
                "level": 0.95,
                "samples": self.samples,
                "seed": self.seed,
                "methods": METHODS,
            },
        }

    def __str__(self) -> str:
        lines = [f"{'all labels right':<18}{self.exact}"]
        for name, one in (("micro", self.micro), ("macro", self.macro)):
            figures = (getattr(one, key) for key in ("precision", "recall", "f1"))
            said = (getattr(each, "estimate", each) for each in figures)
            lines.append(f"{name:<18}" + ", ".join(map(str, said)) + " (precision, recall, F1)")
        worst = sorted(range(len(self.labels)), key=lambda k: -self.labels[k].mistakes)[:10]
        lines += [
            f"label {k:<12}{self.labels[k].missed} missed, {self.labels[k].invented} invented"
            for k in worst
        ]
        return "\n".join(lines)


def multi_label_performance(
    labels: NDArray[Any],
    probabilities: NDArray[Any],
    *,
    threshold: float = 0.5,
    seed: int = 0,
    samples: int = 1000,
) -> MultiLabelPerformance:
    """How well a net does that says of each label whether an example has it, with 95 % intervals.

    Args:
        labels: which labels each example has, truth values, (N, L).
        probabilities: of each label, in [0, 1], floating point, (N, L); they need not add up to 1.
        threshold: a label is predicted where its probability is at least this, in [0, 1].
        seed: of the bootstrap.
        samples: how many bootstrap samples are drawn, at least 20.

    Raises:
        InputError: shapes, types or ranges are others, NaN included.
    """
    probabilities = checked_probabilities(probabilities)
    has = np.asarray(labels)
    if has.shape != probabilities.shape or has.dtype != np.bool_:
        raise InputError(
            f"Labels must be truth values of the probabilities' shape {probabilities.shape}; got an "
            f"array of {has.dtype} of shape {has.shape}."
        )
    if not is_real(threshold) or not 0 <= threshold <= 1:
        raise InputError(f"threshold must be in 0 to 1, got {threshold!r}.")
    check_samples(samples)
    said = probabilities >= threshold
    counts = Counts(*(part.sum(axis=0, dtype=np.float64) for part in (has, said, has & said)))
    found = areas(lambda k: has[:, k], probabilities)
    exact = float((has == said).all(axis=1).mean())
    low, high = wilson(exact, len(has))
    figures = each_class(counts, found)
    draws = bootstrap(has, said, samples, seed)
    together = Counts(
        *(np.asarray(part.sum()) for part in (counts.true, counts.predicted, counts.both))
    )
    missed, invented = counts.true - counts.both, counts.predicted - counts.both
    return MultiLabelPerformance(
        len(has),
        float(threshold),
        Estimate(exact, float(low), float(high)),
        tuple(
            LabelPerformance(one, int(missed[k]), int(invented[k])) for k, one in enumerate(figures)
        ),
        macro(counts, found, draws[:, :3]),
        Micro(
            *(
                estimate(float(value), percentile(column), reason)
                for value, column, reason in zip(
                    (together.precision, together.recall, together.f1),
                    draws[:, 3:].T,
                    ("no label is ever predicted", "no example has a label", "no label anywhere"),
                    strict=True,
                )
            )
        ),
        confused_labels(has, said),
        samples,
        seed,
    )


def bootstrap(has: NDArray[np.bool_], said: NDArray[np.bool_], samples: int, seed: int) -> Floats:
    """Macro precision, recall and F1 of each bootstrap sample, then the micro ones: (samples, 6).

    Sums of whole numbers below 2^24 are exact in float32, and a sample's are N at most; above, float64.
    """
    count = len(has)
    kind = np.float32 if count < 1 << 24 else np.float64
    drawn = resamples(count, samples, seed)
    together = max(1, BLOCK // count)
    draws = []
    for start in range(0, samples, together):
        weights = np.array([next(drawn) for _ in range(min(together, samples - start))], dtype=kind)
        counts = Counts(*(summed(weights, part) for part in (has, said, has & said)))
        alike = Counts(*(one.sum(axis=1) for one in (counts.true, counts.predicted, counts.both)))
        means = [mean_of_rows(one) for one in (counts.precision, counts.recall, counts.f1)]
        draws.append(np.stack([*means, alike.precision, alike.recall, alike.f1], 1))
    return np.concatenate(draws)


def summed(weights: NDArray[Any], part: NDArray[np.bool_]) -> Floats:
    """weights @ part in float64, (samples, L), some labels at a time."""
    step = max(1, BLOCK // len(part))
    blocks = [
        weights @ part[:, start : start + step].astype(weights.dtype)
        for start in range(0, part.shape[1], step)
    ]
    return np.concatenate(blocks, axis=1).astype(np.float64)


def mean_of_rows(values: Floats) -> Floats:
    """The mean along the last axis without NaN; NaN of nothing."""
    defined = ~np.isnan(values)
    total = np.where(defined, values, 0).sum(axis=-1)
    number = defined.sum(axis=-1, dtype=np.float64)
    return ratio(total, number)


def confused_labels(has: NDArray[np.bool_], said: NDArray[np.bool_]) -> tuple[Confused, ...]:
    """Pairs of labels of which the one is missed and the other invented in the same example."""
    missed, invented = has & ~said, said & ~has
    both = missed.any(axis=1) & invented.any(axis=1)
    counts = missed[both].astype(np.float32).T @ invented[both].astype(np.float32)
    found = [Confused(int(a), int(b), int(counts[a, b])) for a, b in np.argwhere(counts > 0)]
    return tuple(sorted(found, key=lambda one: (-one.count, one.missed, one.invented))[:PAIRS])
