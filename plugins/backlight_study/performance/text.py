"""A performance in a few lines of plain text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from backlight_study.performance.classes import ClassPerformance
    from backlight_study.performance.classification import Performance
    from backlight_study.performance.estimate import Average

SHORTEST = 24
"""The width of class names; longer ones are cut."""


def table(performance: Performance, names: Sequence[str], most: int) -> str:
    one = performance
    chance = "{:.3f} to {:.3f}".format(*one.calibration.chance)
    lines = [
        f"{'accuracy':<18}{one.accuracy}, {one.correct} of {one.count} right",
        *(
            f"{'macro ' + figure:<18}{average(getattr(one.macro, figure))}"
            for figure in ("precision", "recall", "f1", "auc")
        ),
        f"{'log loss':<18}{one.log_loss}{because(one.log_loss.reason)}",
        f"{'calibration error':<18}{one.calibration.error}; by chance {chance}",
        "",
    ]
    shown = sorted(range(len(one.classes)), key=lambda k: lowest_first(one.classes[k]))[:most]
    if len(shown) < len(one.classes):
        lines.append(f"The {len(shown)} of {len(one.classes)} classes with the lowest F1:")
    else:
        shown.sort()
    width = max(5, *(len(short(names[k])) for k in shown))
    lines.append(f"{'class':<{width}}  precision  recall     f1    auc  support")
    lines += [f"{short(names[k]):<{width}}  {figures(one.classes[k])}" for k in shown]
    top = one.top_confusions(5)
    if top:
        lines += ["", "Most frequent mistakes:"]
        lines += [
            f"{short(names[cell.true])} taken for {short(names[cell.predicted])}: {cell.count} "
            f"({cell.share:.1%} of the class)"
            for cell in top
        ]
    return "\n".join(line.rstrip() for line in lines)


def average(mean: Average) -> str:
    left = (
        f"; over {len(mean.over)} classes, undefined for {len(mean.left_out)}"
        if mean.left_out
        else ""
    )
    return f"{mean.estimate}{because(mean.estimate.reason)}{left}"


def because(reason: str | None) -> str:
    return f" ({reason})" if reason else ""


def lowest_first(one: ClassPerformance) -> tuple[bool, float]:
    return one.f1.value is None, one.f1.value or 0.0


def figures(one: ClassPerformance) -> str:
    def number(value: float | None) -> str:
        return "-" if value is None else f"{value:.3f}"

    return (
        f"{number(one.precision.value):>9}  {number(one.recall.value):>6}  {number(one.f1.value):>5}  "
        f"{number(one.auc.value):>5}  {one.support:>7}"
    )


def short(name: str) -> str:
    return name if len(name) <= SHORTEST else f"{name[: SHORTEST - 3]}..."
