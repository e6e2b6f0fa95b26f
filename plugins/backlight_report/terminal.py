"""What the terminal says of a report."""

from rich.console import Console
from rich.markup import escape

from backlight.command_line.one_line import one_line
from backlight_loading.names import legible
from backlight_report.result import Report

MOST_WARNINGS = 5
"""How many warnings of techniques the terminal shows; the page has all."""


def show(report: Report) -> None:
    """Say what was found and where the page is; on the error stream what went wrong."""
    console = Console(stderr=True, soft_wrap=True)
    skipped = (*report.study.cases.source.left_out, *report.study.task.replies.skipped)
    for line in report.notes:
        console.print(f"Note: {escape(one_line(line))}", style="bold red")
    for line in skipped[:5]:
        console.print(f"Skipped {escape(one_line(legible(line)))}", style="yellow")
    if skipped:
        console.print(f"{len(skipped)} left out in all.", style="yellow")
    for line in report.errors:
        console.print(f"No maps from {escape(one_line(line))}", style="yellow")
    for line in report.warnings[:MOST_WARNINGS]:
        console.print(f"Warning: {escape(one_line(line))}", style="yellow")
    if len(report.warnings) > MOST_WARNINGS:
        left = len(report.warnings) - MOST_WARNINGS
        console.print(f"{left} more warnings are on the page.", style="yellow")
    for line in report.estimates:
        console.print(escape(line))
    page, wrong = one_line(legible(str(report.page))), ""
    if report.study.task.name == "classification":
        wrong = f", {report.count - report.correct:,} wrong"
    told = report.study.task.summary()
    print(f"{told[0].upper()}{told[1:]}{wrong}.")
    if report.explained:
        print(f"{report.explained} explained in {page}")
    else:
        print(f"None of the examples asked for is there to explain; the rest is in {page}")
