"""An evaluation as plain text."""

from backlight.evaluating.evaluation import Cell, Evaluation
from backlight.evaluating.metric import Metric

ARROWS = {"higher": "higher is better", "lower": "lower is better", None: "no better or worse"}


def table(evaluation: Evaluation) -> str:
    """The whole table: a row for each technique and control, a column for each metric."""
    names = [*evaluation.metrics]
    rows = [["", *names], ["", *(heading(one) for one in evaluation.metrics.values())]]
    for name in evaluation.techniques:
        rows.append([name, *(cell_text(evaluation[name, metric]) for metric in names)])
    rows.append(["controls", *("" for _ in names)])
    for name in evaluation.controls:
        rows.append([f"  {name}", *(cell_text(evaluation[name, metric]) for metric in names)])
    widths = [max(len(row[column]) for row in rows) for column in range(len(names) + 1)]
    lines = [
        "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    title = (
        f"{evaluation.target}, {evaluation.n} examples, baseline {evaluation.baseline}, seed "
        f"{evaluation.seed}, {evaluation.framework} {evaluation.framework_version}"
    )
    return "\n".join([title, "", *lines, "", *notes(evaluation)])


def heading(metric: Metric) -> str:
    return f"{metric.unit}, {ARROWS[metric.direction]}"


def cell_text(cell: Cell) -> str:
    """`0.31 [0.28, 0.35] * turned 7 of 8 (1 NaN)`."""
    if cell.error is not None:
        return "none"
    low, high = cell.interval
    parts = [f"{cell.mean:.3g} [{low:.3g}, {high:.3g}]"]
    if cell.comparison is not None:
        parts.append("*" if cell.comparison.is_better else "-")
    parts += [f"{name} {count} of {len(cell.values)}" for name, count in cell.counts().items()]
    parts += [f"({cell.n_nan} NaN)"] if cell.n_nan else []
    return " ".join(parts)


def notes(evaluation: Evaluation) -> list[str]:
    """What the signs mean, what failed, and why."""
    found = [
        "Means over examples with 95 % bootstrap intervals. * better than the best control, - not shown "
        "to be (paired by examples)."
    ]
    found += [f"{name}: {metric.sentence()}" for name, metric in evaluation.metrics.items()]
    found += [f"{name} gave no maps: {why}" for name, why in evaluation.errors.items()]
    for (name, metric), cell in evaluation.cells.items():
        if cell.error is not None and name not in evaluation.errors:
            found.append(f"{metric} of {name}: {cell.error}")
    return found
