"""Simpler reasons for mistakes than what the model looked at: dark or blurred pictures, a camera, a
format.

The columns are brightness, contrast and sharpness of the pictures, all metadata, and the aspect and the
area in pixels where there are columns `width` and `height`. Each is cut into `slices`. Half of the
examples of each class, drawn, find slices in which mistakes are more frequent than elsewhere (p < 0.01);
on the other half each must be confirmed (p < 0.01 after Holm's correction over all that were found), so
that chance alone brings any in at most one study of a hundred. The test is exact, for one side, and
compares within true classes: that a class is hard is no news here. Of a column the surest
slice is told; the surest first, and each further one must hold among the examples outside of those told.

Sagadeeva, Boehm: SliceLine. SIGMOD 2021. Eyuboglu et al.: Domino. ICLR 2022. Mantel, Haenszel:
Statistical Aspects of the Analysis of Data from Retrospective Studies. JNCI 22 (1959).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from backlight_findings.finding import Finding, Json, Severity, Studied
from backlight_findings.picture_properties import picture_properties
from backlight_findings.slices import Slice, slices
from backlight_findings.statistics import SIGNIFICANT, corrected, interval, more_often, percent

FEWEST = 10
"""A slice has at least so many examples in each half."""
MOST_PICTURES = 5000
"""Of more pictures, so many are drawn and looked at."""

CAVEAT = (
    "Mistakes are more frequent there, which need not be because of it: what goes along with it may be "
    "the reason. Change it in some pictures, and nothing else, to see."
)


@final
@dataclass(frozen=True)
class RivalExplanations:
    """Finds slices of the data in which mistakes are more frequent; the rows are the mistakes there."""

    def __call__(self, studied: Studied) -> Sequence[Finding]:
        if not studied.wrong.any():
            return []
        first = halves(studied)
        found = [
            one
            for column, values in columns(studied).items()
            for one in slices(column, values, first, FEWEST)
            if (one.inside & ~first).sum() >= FEWEST
        ]
        return [
            told(one, chance, studied, len(found))
            for one, chance in confirmed(found, studied, first)
        ]


def halves(studied: Studied) -> NDArray[np.bool_]:
    """Which examples are of the half that finds: half of the mistakes and of the others of each class."""
    shuffled = np.random.default_rng(studied.seed).permutation(len(studied.labels))
    kinds = 2 * studied.labels[shuffled] + studied.wrong[shuffled]
    ordered = shuffled[np.argsort(kinds, kind="stable")]
    first = np.zeros(len(ordered), dtype=bool)
    first[ordered[::2]] = True
    return first


def columns(studied: Studied) -> Mapping[str, NDArray[Any]]:
    """All that examples may be told apart by."""
    count = len(studied.labels)
    rows = np.arange(count)
    if count > MOST_PICTURES:
        random = np.random.default_rng([studied.seed, 1])
        rows = np.sort(random.choice(count, MOST_PICTURES, replace=False))
    found: dict[str, NDArray[Any]] = {}
    if studied.read is not None:
        for name, values in picture_properties(studied.read, [int(row) for row in rows]).items():
            found[name] = np.full(count, np.nan)
            found[name][rows] = values
    by_name = {name.lower(): values for name, values in studied.metadata.items()}
    sides = [by_name[side] for side in ("width", "height") if side in by_name]
    if len(sides) == 2 and all(side.dtype.kind in "iuf" for side in sides):
        width, height = (side.astype(np.float64) for side in sides)
        with np.errstate(invalid="ignore", divide="ignore"):
            found |= {"aspect": width / height, "pixels": width * height}
    return {**found, **studied.metadata}


def confirmed(
    found: Sequence[Slice], studied: Studied, first: NDArray[np.bool_]
) -> list[tuple[Slice, float]]:
    """The slices that hold on the other half, with the corrected p there, the surest first."""
    wrong, labels = studied.wrong, studied.labels

    def chance(one: Slice, rows: NDArray[np.bool_]) -> float:
        here = one.known & rows
        return more_often(wrong[here], one.inside[here], labels[here])

    found = [one for one in found if chance(one, first) < SIGNIFICANT]
    chances = [chance(one, ~first) for one in found]
    kept: list[tuple[Slice, float]] = []
    told_of = np.zeros(len(labels), dtype=bool)
    for k, sure in sorted(enumerate(corrected(chances)), key=lambda one: chances[one[0]]):
        if sure >= SIGNIFICANT or found[k].column in {one.column for one, _ in kept}:
            continue
        if not kept or chance(found[k], ~first & ~told_of) < SIGNIFICANT / len(found):
            kept.append((found[k], sure))
            told_of |= found[k].inside
    return kept


def told(one: Slice, chance: float, studied: Studied, looked_at: int) -> Finding:
    """A slice as a finding."""
    wrong, labels = studied.wrong, studied.labels
    inside, outside = one.inside, one.known & ~one.inside
    mistakes, count = int((wrong & inside).sum()), int(inside.sum())
    there, others = int((wrong & outside).sum()), int(outside.sum())
    classes = int(labels.max()) + 1
    of_class = np.bincount(labels[outside], minlength=classes)
    rate = np.bincount(labels[outside], weights=wrong[outside], minlength=classes)
    rate = np.where(of_class > 0, rate / np.maximum(of_class, 1), there / max(others, 1))
    expected = float(rate[labels[inside]].sum())
    more = (mistakes - expected) / max(int(wrong.sum()), 1)
    severity: Severity = "high" if more >= 0.2 else "medium" if more >= 0.05 else "low"
    title = (
        f"Where {one.column} is {one.value}, {percent(mistakes / count)} of {count} examples are "
        f"mistakes; elsewhere {percent(there / others)} of {others} are."
    )
    evidence: dict[str, Json] = {
        "column": one.column,
        "value": one.value,
        "examples": count,
        "mistakes": mistakes,
        "error_rate": mistakes / count,
        "error_rate_interval": list(interval(mistakes, count)),
        "coverage": count / int(one.known.sum()),
        "share_of_mistakes": mistakes / max(int(wrong.sum()), 1),
        "elsewhere": {
            "examples": others,
            "mistakes": there,
            "error_rate": there / others,
            "error_rate_interval": list(interval(there, others)),
        },
        "mistakes_expected_of_these_classes": expected,
        "p_on_held_out_half": chance,
        "slices_tried": looked_at,
        "left_out": int((~one.known).sum()),
    }
    rows = tuple(int(row) for row in np.flatnonzero(wrong & inside))
    return Finding("rival_explanations", title, severity, rows, evidence, CAVEAT)
