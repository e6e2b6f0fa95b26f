"""Where the mistakes of a cell of the confusion matrix are decided, on average.

A mean over maps says something only if the pictures are aligned: the same place must be the same part of
what is shown. Whether it is so is measured: the mistakes of the cell are halved `DRAWS` times, and the
mean correlation r of the mean maps of both halves, on a grid of at most 16 x 16, is carried to the whole
by Spearman and Brown's formula, 2 r / (1 + r): that must be at least `ALIKE`. Each map is divided by the
sum of its sizes first, so that each counts the same.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from backlight_findings.finding import Finding, Json, Studied
from backlight_findings.maps import downsized, mean_map, usable
from backlight_findings.statistics import percent

SIDE = 16
FEWEST = 8
"""Of fewer mistakes there is no mean."""
DRAWS = 20
ALIKE = 0.7
MOST_CELLS = 10

CAVEAT = (
    "A mean hides the single case: see the maps themselves. Where pictures are not aligned it shows "
    "where objects tend to be, and nothing of what they are."
)


@final
@dataclass(frozen=True)
class MeanMaps:
    """Finds cells of the confusion matrix whose mistakes are decided at the same places.

    Args:
        technique: whose maps; the first one's if None.
    """

    technique: str | None = None

    def __call__(self, studied: Studied) -> Sequence[Finding]:
        maps = usable(studied, self.technique)
        if maps is None:
            return []
        coarse = downsized(maps.maps, SIDE, size=False)[maps.places]
        coarse /= np.maximum(np.abs(coarse).sum(axis=1, keepdims=True), 1e-300)
        labels, predicted = studied.labels[maps.rows], studied.predicted[maps.rows]
        wrong = labels != predicted
        pairs = np.stack([labels[wrong], predicted[wrong]], axis=1)
        cells, counts = np.unique(pairs, axis=0, return_counts=True)
        found = []
        for k in np.argsort(-counts, kind="stable")[:MOST_CELLS]:
            true, said = (int(one) for one in cells[k])
            here = np.flatnonzero((labels == true) & (predicted == said))
            alike = agreement_of_halves(coarse[here], studied.seed) if counts[k] >= FEWEST else 0.0
            if alike < ALIKE:
                continue
            mean = mean_map(maps.maps, maps.places[here])
            pictures = {"mean map": mean}
            right = np.flatnonzero((labels == true) & (predicted == true))
            if len(right):
                caption = f"mean map of right {studied.classes[true]}"
                pictures[caption] = mean_map(maps.maps, maps.places[right])
            half = area_of_half(mean)
            title = (
                f"The {counts[k]} {studied.classes[true]} taken for {studied.classes[said]} are "
                "decided at much the same places: on average half of the attribution lies on "
                f"{percent(half)} of the picture."
            )
            near = coarse[here] @ coarse[here].mean(axis=0) / np.linalg.norm(coarse[here], axis=1)
            rows = maps.rows[here[np.argsort(-near, kind="stable")]]
            evidence: dict[str, Json] = {
                "true": studied.classes[true],
                "predicted": studied.classes[said],
                "technique": maps.technique,
                "question": maps.question,
                "mistakes": int(counts[k]),
                "right": len(right),
                "agreement_of_halves": alike,
                "area_of_half": half,
                "left_out": maps.left_out,
            }
            found.append(
                Finding(
                    "mean_maps", title, "low", tuple(map(int, rows)), evidence, CAVEAT, pictures
                )
            )
        return found


def agreement_of_halves(coarse: NDArray[np.float64], seed: int) -> float:
    """How well the mean of these maps (n, cells) would come out again, at most 1."""
    random, count = np.random.default_rng(seed), len(coarse)
    found = []
    for _ in range(DRAWS):
        drawn = random.permutation(count)
        one, other = (coarse[half].mean(axis=0) for half in (drawn[::2], drawn[1::2]))
        if one.std() == 0 or other.std() == 0:
            return 0.0
        found.append(np.corrcoef(one, other)[0, 1])
    alike = max(float(np.mean(found)), 0.0)
    return 2 * alike / (1 + alike)


def area_of_half(mean: NDArray[np.float64]) -> float:
    """The smallest share of the places that holds half of the sum of the sizes."""
    sizes = np.sort(np.abs(mean).reshape(-1))[::-1]
    return float((np.searchsorted(sizes.cumsum(), sizes.sum() / 2) + 1) / len(sizes))
