"""How far a long piece of work is, on the error stream: a bar for a person at a terminal, else a line now
and then. Both say about how long it will take yet."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from backlight.progress import Progress as Callback

FIRST, SLOWEST = 5.0, 60.0
"""Seconds until the first line, and the most between two; it takes ever longer until the next."""

LONG = 30.0
"""Seconds from which on the time that is left is said."""


@contextmanager
def progress_bar() -> Iterator[Callback]:
    """A function that moves one bar, or writes lines, for each thing that is being done."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield Lines(console.file)
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    # The speed is that of the whole work so far: one step may take a minute.
    with Progress(
        *columns, console=console, transient=True, speed_estimate_period=24 * 3600.0
    ) as bar:
        tasks = {}

        def moved(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bar.add_task(what, total=total)
            bar.update(tasks[what], completed=done, total=total)

        yield moved


class Lines:
    """Writes how far each thing is, now and then."""

    def __init__(self, file: IO[str]) -> None:
        self.file = file
        self.what = ""
        self.started = self.told = 0.0
        self.wait = FIRST
        self.before = 0
        self.moved: tuple[float, int] | None = None
        """When the first step was done, and how much then was: workers that start are not the speed."""

    def __call__(self, what: str, done: int, total: int) -> None:
        now = time.monotonic()
        if what != self.what:
            self.what, self.started, self.told, self.wait = what, now, now, FIRST
            self.before, self.moved = done, None
        if self.moved is None and done > self.before:
            self.moved = now, done
        if now - self.told < self.wait:
            return
        self.told, self.wait = now, min(2 * self.wait, SLOWEST)
        spent = now - self.started
        since, first = self.moved or (now, done)
        left = (now - since) / (done - first) * (total - done) if done > first else 0.0
        more = f", about {in_words(left)} left" if spent + left >= LONG and left else ""
        print(f"{what}: {done:,} of {total:,}{more}", file=self.file, flush=True)


def in_words(seconds: float) -> str:
    """A time to be waited for: `40 s`, `7 min`, `2 h 5 min`."""
    if seconds < 90:
        return f"{max(10, round(seconds / 10) * 10)} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"
