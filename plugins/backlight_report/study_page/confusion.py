"""Which classes are taken for which: a matrix where it has room, the cells that matter in any case."""

from collections import Counter

from backlight_report.study_page.record import StudyRecord
from backlight_report.study_page.words import percent, short

MATRIX = 30
"""How many classes a matrix may have."""

ROOMY = 12
"""How many classes a matrix may have whose cells also say their share of the row."""

LISTED = 12
"""How many cells are listed at once."""


def cell_id(true: int, predicted: int) -> str:
    return f"cell-{true}-{predicted}"


def confusion_view(study: StudyRecord) -> StudyRecord:
    names: list[str] = study["classes"]
    counts = {(one["true"], one["predicted"]): one["count"] for one in study["confusion"]}
    totals: Counter[int] = Counter()
    for (true, _), count in counts.items():
        totals[true] += count
    cases: dict[tuple[int, int], list[StudyRecord]] = {}
    for case in study["cases"]:
        cell = (case["true"]["class"], case["predicted"]["class"])
        cases.setdefault(cell, []).append(case)
    most = max((count for (true, said), count in counts.items() if true != said), default=1)

    def view(true: int, predicted: int) -> StudyRecord:
        count = counts.get((true, predicted), 0)
        right = true == predicted
        share = count / max(1, totals[true])
        return {
            "id": cell_id(true, predicted),
            "true": names[true],
            "predicted": names[predicted],
            "count": f"{count:,}" if count else "",
            "share": percent(share) if count else "",
            "right": right,
            "strength": round(share if right else count / most, 3),
            "cases": cases.get((true, predicted), []),
        }

    wrong = [cell for cell in counts if cell[0] != cell[1]]
    wrong.sort(key=lambda cell: (-counts[cell], cell))
    held = [cell for cell in cases if cell[0] == cell[1] or cell not in counts]
    listed = [view(*cell) for cell in [*wrong, *sorted(held)]]
    places = range(len(names)) if len(names) <= MATRIX else range(0)
    return {
        "classes": [{"name": names[k], "short": short(names[k])} for k in places],
        "rows": [
            {
                "name": names[true],
                "short": short(names[true]),
                "cells": [view(true, said) for said in places],
            }
            for true in places
        ],
        "roomy": len(names) <= ROOMY,
        "listed": listed[:LISTED],
        "more": listed[LISTED:],
        "count": len(names),
        "cells": f"{len(names) ** 2:,}",
        "wrong_cells": f"{len(wrong):,}",
    }
