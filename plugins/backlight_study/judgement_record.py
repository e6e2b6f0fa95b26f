"""How a judgement is told in `study.json`."""

from collections.abc import Callable, Mapping
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from backlight import Evaluation
from backlight.evaluating.evaluation import plain_number
from backlight_findings import Finding
from backlight_study.format import StudyRecord
from backlight_study.judging import Judgement

Drawn: TypeAlias = Callable[[str, NDArray[np.float64]], str]
"""Draws a map under a name, and gives the path of its file."""


def metrics_record(evaluation: Evaluation | None, mistakes: str) -> StudyRecord | None:
    """The table of techniques and controls by metrics."""
    if evaluation is None:
        return None
    names = (*evaluation.techniques, *evaluation.controls)
    return {
        "columns": [
            {
                "name": name,
                "metric": repr(metric),
                "direction": metric.direction,
                "range": [plain_number(end) for end in metric.range],
                "sentence": metric.sentence(),
            }
            for name, metric in evaluation.metrics.items()
        ],
        "rows": [
            {
                "name": name,
                "control": name in evaluation.controls,
                "values": {
                    metric: cell_record(evaluation, name, metric) for metric in evaluation.metrics
                },
            }
            for name in names
        ],
        "note": f"Over {evaluation.n} cases {mistakes}; what is taken away is replaced by "
        f"{evaluation.baseline}. Seed {evaluation.seed}.",
    }


def cell_record(evaluation: Evaluation, name: str, metric: str) -> StudyRecord:
    cell = evaluation[name, metric]
    low, high = cell.interval
    return {
        "mean": plain_number(cell.mean),
        "low": plain_number(low),
        "high": plain_number(high),
        "n": cell.n,
        "nan": cell.n_nan,
        "beats_controls": None if cell.comparison is None else cell.comparison.is_better,
        "error": cell.error,
        "counts": cell.counts(),
    }


def findings_record(
    judgement: Judgement, ids: Mapping[int, str], drawn: Drawn
) -> tuple[list[StudyRecord], dict[str, list[int]]]:
    """The findings, their maps drawn on the way; and by case the numbers of those that are about it.

    Args:
        ids: of the cases, by the examples' rows.
    """
    about: dict[str, list[int]] = {}
    records = []
    for number, finding in enumerate(judgement.findings):
        cases = [ids[row] for row in finding.rows if row in ids]
        for case in cases:
            about.setdefault(case, []).append(number)
        records.append(finding_record(finding, number, cases, drawn))
    return records, about


def finding_record(finding: Finding, number: int, cases: list[str], drawn: Drawn) -> StudyRecord:
    return {
        "kind": finding.kind,
        "title": finding.title,
        "severity": finding.severity,
        "cases": cases,
        "rows": list(finding.rows),
        "evidence": finding.evidence,
        "caveat": finding.caveat,
        "pictures": [
            {"caption": caption, "file": drawn(f"finding-{number}-{place}", map)}
            for place, (caption, map) in enumerate(finding.pictures.items())
            if np.isfinite(map).all()
        ],
    }
