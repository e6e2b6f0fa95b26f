"""What checks found, as a person reads it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from backlight.testing import Check
from backlight.testing.backend import LAWS, RUN_LAWS
from backlight.testing.checks import sentence
from backlight.testing.technique import EVERYWHERE, ONCE


@final
@dataclass(frozen=True)
class Outcome:
    """What a check found: why it failed, or why it does not apply, or neither."""

    check: Check
    failure: str | None = None
    refusal: str | None = None


def outcomes(checks: Sequence[Check]) -> list[Outcome]:
    return [outcome(check) for check in checks]


def outcome(check: Check) -> Outcome:
    try:
        return Outcome(check, refusal=check())
    except AssertionError as error:
        return Outcome(check, failure=str(error))


def show(found: Sequence[Outcome], console: Console) -> bool:
    """A row for each law and a line for each failure; whether all is well."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    for heading in ("law", "holds on", "broken on", "not for"):
        table.add_column(heading, overflow="fold")
    for law in dict.fromkeys(one.check.law for one in found):
        own = [one for one in found if one.check.law == law]
        holds = [one for one in own if not one.failure and not one.refusal]
        table.add_row(
            Text(law),
            Text(nets(holds), "green"),
            Text(nets([one for one in own if one.failure]), "bold red"),
            Text(nets([one for one in own if one.refusal]), "yellow"),
        )
    console.print(table)
    for one in found:
        if one.failure:
            console.print(Text(one.failure, "red"))
    for refusal in dict.fromkeys(one.refusal for one in found if one.refusal):
        console.print(Text(f"not for: {refusal}", "yellow"))
    failures = sum(one.failure is not None for one in found)
    apply = [one for one in found if not one.refusal]
    refused = not apply
    told = f"{failures} of {len(apply)} checks failed" if failures else f"all {len(apply)} hold"
    told += f", {len(found) - len(apply)} do not apply." if len(apply) < len(found) else "."
    verdict = "no golden net is explained." if refused else told
    bad = bool(failures) or refused
    console.print(Text(f"{'not ok' if bad else 'ok'}: {verdict}", "bold red" if bad else "green"))
    return not bad


def nets(found: Sequence[Outcome]) -> str:
    return ", ".join(one.check.net for one in found)


def show_laws(console: Console) -> None:
    """The laws of backends, and those of techniques."""
    for title, laws in (
        ("Laws of a backend", [law for law, _ in LAWS]),
        ("Laws of a backend without gradients", [law for law, _ in RUN_LAWS]),
        ("Laws of a technique", [*EVERYWHERE, *ONCE]),
    ):
        console.print(Text(title, "bold"))
        table = Table(box=None, show_header=False, pad_edge=False)
        for law in laws:
            table.add_row(Text(law.__name__, "magenta"), Text(sentence(law)))
        console.print(table)
        console.print()
