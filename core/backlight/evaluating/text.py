"""An evaluation as plain text."""

from backlight.evaluating.evaluation import Cell, Evaluation
from backlight.evaluating.metric import Metric

ARROWS = {"higher": "higher is better", "lower": "lower is better", None: "no better or worse"}


WIDTH = 120
"""Columns that do not fit into so many signs make a table of their own."""


def table(evaluation: Evaluation) -> str:
    """The whole table: a row for each technique and control, a column for each metric."""
    first = [
        "",
        "",
        *evaluation.techniques,
        "controls",
        *(f"  {one}" for one in evaluation.controls),
    ]
    columns = [padded(column(evaluation, metric)) for metric in evaluation.metrics]
    names = padded(first)
    parts: list[list[list[str]]] = [[names]]
    for one in columns:
        if len(parts[-1]) > 1 and sum(len(other[0]) + 2 for other in (*parts[-1], one)) > WIDTH:
            parts.append([names])
        parts[-1].append(one)
    title = (
        f"{evaluation.target}, {evaluation.n} examples, baseline {evaluation.baseline}, seed "
        f"{evaluation.seed}, {evaluation.framework} {evaluation.framework_version}"
    )
    tables = [
        "\n".join("  ".join(row).rstrip() for row in zip(*part, strict=True)) for part in parts
    ]
    return "\n\n".join([title, *tables, "\n".join(notes(evaluation))])


def column(evaluation: Evaluation, metric: str) -> list[str]:
    """A metric's name, what it is measured in, and its cells."""
    techniques = [cell_text(evaluation[name, metric]) for name in evaluation.techniques]
    controls = [cell_text(evaluation[name, metric]) for name in evaluation.controls]
    return [metric, heading(evaluation.metrics[metric]), *techniques, "", *controls]


def padded(texts: list[str]) -> list[str]:
    width = max(map(len, texts))
    return [text.ljust(width) for text in texts]


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
    said: dict[str, None] = {}
    for (name, metric), cell in evaluation.cells.items():
        said |= dict.fromkeys(f"{metric}: {note}" for note in cell.notes)
        if cell.error is not None and name not in evaluation.errors:
            found.append(f"{metric} of {name}: {cell.error}")
    return [*found, *said]
