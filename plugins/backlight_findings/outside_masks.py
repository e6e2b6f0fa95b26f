"""Mistakes that were decided outside of the object, by masks that the user gives.

The share inside of a map a with a mask M is sum over M of |a| / sum of |a|, in [0, 1]; a map that is the
same everywhere has the mask's share of the area. Mistakes are compared with right examples by the test of
Mann and Whitney for one side, ties counted; where no right example has a mask, with the area by the
sign test. Examples whose mask is empty or full are left out.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from backlight.errors import InputError
from backlight_findings.finding import Finding, Json, Severity, Studied
from backlight_findings.maps import Usable, usable
from backlight_findings.statistics import SIGNIFICANT, interval, percent

CAVEAT = (
    "What lies outside of a mask may belong to the task: a shadow, a scene that the object is seen in. "
    "The masks are taken as given, and where a map has its values depends on the technique too."
)


def shares_inside(studied: Studied, maps: Usable) -> NDArray[np.float64]:
    """The share of each usable map that lies inside its mask; NaN where that is empty or full."""
    if studied.masks is None:
        return np.full(len(maps.rows), np.nan)
    if studied.masks.shape[1:] != maps.maps.shape[1:]:
        raise InputError(
            f"Masks are of the maps' size, {maps.maps.shape[1:]}; got {studied.masks.shape[1:]}."
        )
    found = np.full(len(maps.rows), np.nan)
    for k, (place, row) in enumerate(zip(maps.places, maps.rows, strict=True)):
        mask, sizes = studied.masks[row], np.abs(maps.maps[place])
        if mask.any() and not mask.all():
            found[k] = sizes[mask].sum() / sizes.sum()
    return found


@final
@dataclass(frozen=True)
class OutsideMasks:
    """Finds that mistakes look more outside of the masks than right examples do.

    Args:
        technique: whose maps; the first one's if None.
    """

    technique: str | None = None

    def __call__(self, studied: Studied) -> Sequence[Finding]:
        # Here and not above: it takes time to import, and only a study needs it.
        from scipy.stats import binomtest, mannwhitneyu

        maps = usable(studied, self.technique)
        if maps is None or studied.masks is None:
            return []
        inside = shares_inside(studied, maps)
        area = np.array([studied.masks[row].mean() for row in maps.rows])
        known, wrong = np.isfinite(inside), studied.wrong[maps.rows]
        mistakes, right = inside[known & wrong], inside[known & ~wrong]
        if len(mistakes) == 0:
            return []
        compared = right if len(right) else area[known & wrong]
        if len(right):
            chance = float(mannwhitneyu(mistakes, right, alternative="less").pvalue)
        else:
            below = int((mistakes < compared).sum())
            chance = float(binomtest(below, len(mistakes), alternative="greater").pvalue)
        if chance >= SIGNIFICANT:
            return []
        gap = float(np.median(compared) - np.median(mistakes))
        severity: Severity = "high" if gap >= 0.2 else "medium" if gap >= 0.1 else "low"
        out = int((mistakes < 0.5).sum())
        than = "of right examples" if len(right) else "that a map of one value would have"
        title = (
            f"In {out} of {len(mistakes)} mistakes most of the attribution lies outside of the marked "
            f"object; inside is {percent(float(np.median(mistakes)))} (median), less than the "
            f"{percent(float(np.median(compared)))} {than}."
        )
        places = np.flatnonzero(known & wrong)
        order = places[np.argsort(inside[places], kind="stable")]
        evidence: dict[str, Json] = {
            "technique": maps.technique,
            "question": maps.question,
            "mistakes": len(mistakes),
            "right": len(right),
            "median_inside": float(np.median(mistakes)),
            "median_inside_right": float(np.median(right)) if len(right) else None,
            "median_area": float(np.median(area[known & wrong])),
            "mostly_outside": out,
            "mostly_outside_interval": list(interval(out, len(mistakes))),
            "p": chance,
            "inside": [{"row": int(maps.rows[k]), "share": float(inside[k])} for k in order],
            "left_out": maps.left_out + int((~known).sum()),
        }
        rows = tuple(int(maps.rows[k]) for k in order if inside[k] < 0.5)
        return [Finding("outside_masks", title, severity, rows, evidence, CAVEAT)]
