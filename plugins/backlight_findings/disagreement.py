"""Examples for which techniques contradict each other.

For each example and each two techniques, of the same question, on a grid of at most 32 x 32 (sums of
signed values): Spearman's rank correlation, in [-1, 1], and the overlap of the highest tenth of
places, in [0, 1], a tie at the limit counting by its share. Both are 1 for the same map; for maps that
have nothing to do with each other the correlation is 0 and the overlap 0.1 on average. The agreement of
an example is the mean rank correlation over the pairs of techniques.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import final

import numpy as np
from numpy.typing import NDArray

from backlight_findings.finding import Finding, Json, Severity, Studied
from backlight_findings.maps import downsized
from backlight_findings.statistics import interval, percent

SIDE = 32
TOP = 0.1
CHANCE = 0.1
"""A mean rank correlation below this is no agreement."""

CAVEAT = (
    "Techniques answer different questions, so that two may differ and both be right; and that they "
    "agree does not make them right. Measure which to believe beside controls."
)


@final
@dataclass(frozen=True, eq=False)
class Agreement:
    """How far techniques agree, example by example.

    Attributes:
        question: that the maps answer.
        rows: the examples, in the order of the study, (n,).
        pairs: of techniques.
        correlation: Spearman's, (pairs, n); NaN where one of the maps is missing or of one value.
        overlap: of the highest tenth of places, (pairs, n); likewise.
    """

    question: str
    rows: NDArray[np.int64]
    pairs: tuple[tuple[str, str], ...]
    correlation: NDArray[np.float64]
    overlap: NDArray[np.float64]

    @property
    def mean(self) -> NDArray[np.float64]:
        """Mean rank correlation over the pairs that have one; NaN where none has, (n,)."""
        return mean_of_known(self.correlation, axis=0)


def agreement(studied: Studied) -> Agreement | None:
    """How far techniques agree on the contrast, or else on the predicted class; None where there are
    not two techniques with such maps."""
    for question in ("contrast", "predicted"):
        names = [name for name, asked in studied.maps if asked == question]
        if len(names) > 1:
            break
    else:
        return None
    coarse = [downsized(studied.maps[name, question], SIDE, size=False) for name in names]
    shapes = {one.shape for one in coarse}
    if len(shapes) > 1:  # maps of different sizes have no places in common
        return None
    ranked = [standardised_ranks(one) for one in coarse]
    top = [highest(one) for one in coarse]
    known = [np.isfinite(one).all(axis=1) for one in ranked]
    pairs = list(combinations(range(len(names)), 2))
    correlation = [
        np.where(known[a] & known[b], (ranked[a] * ranked[b]).sum(axis=1), np.nan) for a, b in pairs
    ]
    overlap = [
        np.where(known[a] & known[b], np.minimum(top[a], top[b]).sum(axis=1), np.nan)
        for a, b in pairs
    ]
    return Agreement(
        question,
        np.asarray(studied.explained, dtype=np.int64),
        tuple((names[a], names[b]) for a, b in pairs),
        np.array(correlation),
        np.array(overlap),
    )


def standardised_ranks(coarse: NDArray[np.float64]) -> NDArray[np.float64]:
    """Ranks, ties with their mean, less their mean, of length one; NaN where all values are the same."""
    # Here and not above: it takes time to import, and only a study needs it.
    from scipy.stats import rankdata

    missing = np.isnan(coarse.sum(axis=1))
    ranks = rankdata(np.where(missing[:, None], 0.0, coarse), axis=1)
    ranks -= ranks.mean(axis=1, keepdims=True)
    length = np.linalg.norm(ranks, axis=1, keepdims=True)
    return np.where(length > 0, ranks / np.maximum(length, 1e-300), np.nan)


def highest(coarse: NDArray[np.float64]) -> NDArray[np.float64]:
    """The weight of each place among the highest tenth: the weights of a map add up to 1."""
    count = max(1, round(TOP * coarse.shape[1]))
    limit = -np.partition(-coarse, count - 1, axis=1)[:, count - 1 : count]
    above, at = coarse > limit, coarse == limit
    left = count - above.sum(axis=1, keepdims=True)
    return np.asarray((above + at * left / np.maximum(at.sum(axis=1, keepdims=True), 1)) / count)


def mean_of_known(values: NDArray[np.float64], axis: int) -> NDArray[np.float64]:
    """The mean of those that are not NaN; NaN where none is."""
    known = np.isfinite(values)
    count = known.sum(axis=axis)
    total = np.where(known, values, 0.0).sum(axis=axis)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


@final
@dataclass(frozen=True)
class Disagreement:
    """Finds examples for which techniques agree no better than chance, the worst first."""

    def __call__(self, studied: Studied) -> Sequence[Finding]:
        found = agreement(studied)
        if found is None:
            return []
        mean = found.mean
        known = np.flatnonzero(np.isfinite(mean))
        order = known[np.argsort(mean[known], kind="stable")]
        apart = order[mean[order] < CHANCE]
        if len(apart) == 0:
            return []
        share = len(apart) / len(known)
        severity: Severity = "medium" if share >= 0.2 else "low"
        title = (
            f"For {len(apart)} of {len(known)} examples ({percent(share)}) techniques agree no better "
            "than chance on where it was decided: do not rely on one of their maps."
        )
        overlaps = mean_of_known(found.overlap, axis=0)
        evidence: dict[str, Json] = {
            "question": found.question,
            "examples": len(known),
            "share": share,
            "share_interval": list(interval(len(apart), len(known))),
            "pairs": [
                {
                    "techniques": list(pair),
                    "rank_correlation": number(mean_of_known(correlation, axis=0)),
                    "top_overlap": number(mean_of_known(overlap, axis=0)),
                }
                for pair, correlation, overlap in zip(
                    found.pairs, found.correlation, found.overlap, strict=True
                )
            ],
            "agreement": [
                {
                    "row": int(found.rows[k]),
                    "rank_correlation": float(mean[k]),
                    "top_overlap": float(overlaps[k]),
                }
                for k in order
            ],
            "left_out": len(mean) - len(known),
        }
        rows = tuple(int(found.rows[k]) for k in apart)
        return [Finding("disagreement", title, severity, rows, evidence, CAVEAT)]


def number(value: NDArray[np.float64]) -> float | None:
    return float(value) if np.isfinite(value) else None
