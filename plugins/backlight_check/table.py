"""A check as a person reads it, and as a program does."""

from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from backlight.rules.operations import Kind
from backlight.rules.rules import Treatment
from backlight_check.checks import Check, Row
from backlight_check.scored_example import ScoredExample

STYLES = {Treatment.RULE: "green", Treatment.EXACT: "", Treatment.FALLBACK: "yellow"}


def wide_console() -> Console:
    """The output: with colours and fitted to the screen for a person, whole lines for all else."""
    console = Console()
    return console if console.is_terminal else Console(width=10_000)


def show(check: Check, console: Console, most: int) -> None:
    """One technique: its title, the table, what is to be said about it, and the verdict.

    Args:
        most: how many places of a row are named.
    """
    title = Text(check.title, "bold")
    if check.at is not None:
        title.append(f"  at {check.at}", "cyan")
    if check.grid is not None:
        title.append(f" ({' x '.join(map(str, check.grid))} places)", "cyan")
    console.print(title)
    if check.rows:
        table = Table(box=None, header_style="bold", pad_edge=False)
        table.add_column("kind", overflow="fold")
        table.add_column("count", justify="right")
        table.add_column("what the technique does", overflow="fold")
        table.add_column("places", overflow="fold")
        for row in check.rows:
            table.add_row(
                Text(kind(row, most)),
                Text(str(row.count)),
                Text(treatment(row), STYLES[row.treatment]),
                Text(listed(row.places, most)),
            )
        console.print(table)
    for note in check.notes:
        console.print(Text(f"note: {note}", "yellow"))
    bad = check.objection is not None
    console.print(Text(verdict(check), "bold red" if bad else "green"))


def kind(row: Row, most: int) -> str:
    return f"{row.kind} ({listed(row.types, most)})" if row.kind is Kind.OTHER else str(row.kind)


def treatment(row: Row) -> str:
    return str(row.treatment) if row.rule is None else f"{row.treatment}: {row.rule}"


def listed(names: Sequence[str], most: int) -> str:
    """The first few, `and N more`."""
    shown = ", ".join(names[:most]) or "-"
    return f"{shown} and {len(names) - most} more" if len(names) > most else shown


def verdict(check: Check) -> str:
    """One sentence: `ok: ...`, or why not."""
    if check.objection is not None:
        return f"not ok: {check.objection}"
    if not check.gradient:
        return "ok: it takes no gradient; it only runs the model."
    if not check.ruled:
        return "ok: it brings no rules; the model's own gradient is used everywhere."
    if not check.rows:
        return "ok: nothing between here and the score needs a rule."
    shares = {
        "by a rule": check.count(Treatment.RULE),
        "exact as they are": check.count(Treatment.EXACT),
        "by the plain gradient": check.count(Treatment.FALLBACK),
    }
    told = ", ".join(f"{count} {how}" for how, count in shares.items() if count)
    return f"ok: of {check.count()} operations, {told}."


def plain(check: Check, example: ScoredExample) -> Mapping[str, object]:
    """A check as JSON can hold it."""
    return {
        "technique": check.name,
        "title": check.title,
        "at": check.at,
        "grid": check.grid and list(check.grid),
        "target": repr(example.score),
        "ok": check.objection is None,
        "objection": check.objection,
        "notes": list(check.notes),
        "takes_gradient": check.gradient,
        "has_rules": check.ruled,
        "operations": [
            {
                "kind": str(row.kind),
                "treatment": str(row.treatment),
                "rule": row.rule,
                "count": row.count,
                "types": list(row.types),
                "places": list(row.places),
            }
            for row in check.rows
        ],
    }
