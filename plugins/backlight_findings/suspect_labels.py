"""Labels that the model contradicts: some mistakes are the data's.

For an example with label y and probabilities p:

    self-confidence     p[y]
    normalised margin   p[y] - max over k != y of p[k], in [-1, 1]
    suggested class     the k != y with the highest p[k]

A label is suspect where the suggested class is the predicted one and has at least the probability that
it has on average where it is the label: the threshold of confident learning.

Northcutt, Jiang, Chuang: Confident Learning: Estimating Uncertainty in Dataset Labels. JAIR 70 (2021).
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from backlight_findings.finding import Finding, Json, Severity, Studied
from backlight_findings.statistics import percent

CAVEAT = (
    "The model may be wrong and the label right: look at each. The probabilities must be of examples "
    "that the model was not trained on; a model that has seen a label tends to agree with it. Mend or "
    "question labels, but do not drop these rows from test data: accuracy would rise for no reason."
)

SURE = 0.9
"""From this probability on a model is called sure."""


@final
@dataclass(frozen=True, eq=False)
class LabelScores:
    """How well each label fits the probabilities, (N,) each; the lower, the more suspect.

    Attributes:
        self_confidence: in [0, 1].
        normalised_margin: in [-1, 1], negative where another class is more likely.
        suggested: the most likely other class.
        suspect: whether the label is to be looked at.
    """

    self_confidence: NDArray[np.float64]
    normalised_margin: NDArray[np.float64]
    suggested: NDArray[np.int64]
    suspect: NDArray[np.bool_]


def label_scores(
    labels: NDArray[np.int64], probabilities: NDArray[np.floating[Any]]
) -> LabelScores:
    """How well labels (N,) fit probabilities (N, classes); NaN, and not suspect, where these are."""
    each = np.arange(len(labels))
    others = np.array(probabilities, dtype=np.float64)
    own = others[each, labels].copy()
    others[each, labels] = -np.inf
    known = np.isfinite(probabilities).all(axis=1)
    suggested = others.argmax(axis=1)
    highest = others[each, suggested]
    margin = np.where(known, own - highest, np.nan)
    sums = np.bincount(labels[known], weights=own[known], minlength=others.shape[1])
    counts = np.bincount(labels[known], minlength=others.shape[1])
    # A class that is nobody's label has no threshold and is suggested to nobody.
    threshold = np.where(counts > 0, sums / np.maximum(counts, 1), np.inf)
    suspect = known & (margin < 0) & (highest >= threshold[suggested])
    return LabelScores(np.where(known, own, np.nan), margin, suggested, suspect)


@final
@dataclass(frozen=True)
class SuspectLabels:
    """Finds labels that look wrong; the rows are ordered by normalised margin, the lowest first."""

    def __call__(self, studied: Studied) -> Sequence[Finding]:
        scores = label_scores(studied.labels, studied.probabilities)
        rows = np.flatnonzero(scores.suspect)
        if len(rows) == 0:
            return []
        rows = rows[np.argsort(scores.normalised_margin[rows], kind="stable")]
        wrong, known = int(studied.wrong.sum()), int(np.isfinite(scores.self_confidence).sum())
        share = len(rows) / max(wrong, 1)
        severity: Severity = "high" if share >= 0.3 else "medium" if share >= 0.1 else "low"
        pairs = Counter((int(studied.labels[row]), int(scores.suggested[row])) for row in rows)
        (label, suggested), most = pairs.most_common(1)[0]
        labels = "1 label" if len(rows) == 1 else f"{len(rows):,} labels"
        meant = (studied.labels[rows] == label) & (scores.suggested[rows] == suggested)
        confidence = float(studied.probabilities[rows[meant], suggested].mean())
        says = "is sure of" if confidence >= SURE else "says"
        title = (
            f"{labels} of {known:,} may be wrong, {percent(share)} of the mistakes: most often "
            f"(in {most}) {studied.classes[label]} where the model {says} "
            f"{studied.classes[suggested]}, at {percent(confidence)}{' on average' * (most > 1)}."
        )
        evidence: dict[str, Json] = {
            "examples": known,
            "left_out": len(studied.labels) - known,
            "mistakes": wrong,
            "labels": [
                {
                    "row": int(row),
                    "label": studied.classes[studied.labels[row]],
                    "suggested": studied.classes[scores.suggested[row]],
                    "self_confidence": float(scores.self_confidence[row]),
                    "normalised_margin": float(scores.normalised_margin[row]),
                }
                for row in rows
            ],
            "pairs": [
                {"label": studied.classes[a], "suggested": studied.classes[b], "count": count}
                for (a, b), count in pairs.most_common()
            ],
        }
        finding = Finding(
            "suspect_labels", title, severity, tuple(map(int, rows)), evidence, CAVEAT
        )
        return [finding]
