"""Work that leaves files behind: each block one, each start a line."""

import itertools
import os
import pickle
import signal
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from backlight import BacklightError
from backlight_datasets import Skipped
from backlight_datasets.committing import commit, replace
from backlight_engines import Engine, Receipt, Work


class RefusedError(BacklightError, ValueError):
    """An error that the work raises on purpose."""


@dataclass(frozen=True)
class Writing(Work):
    """Commits a file for each block, that holds its number.

    Attributes:
        folder: where.
        seconds: that it takes to write one.
        slow: the first block that takes half a minute.
        raises: at this block, or as it starts, by number or "start", a foreign error or one of ours.
        dies: in this block, or as it starts, each time or once.
    """

    folder: Path
    seconds: float = 0.0
    raises: int | str | None = None
    error: type[Exception] = ZeroDivisionError
    dies: int | str | None = None
    always: bool = False
    slow: int = 10**9
    code: int = -signal.SIGKILL

    def start(self) -> Callable[[int], Receipt]:
        self.note("start")
        self.ill("start")
        return self.do

    def do(self, block: int) -> Receipt:
        self.note(str(block))
        self.ill(block)
        begun = time.perf_counter()
        commit(self.folder / f"block-{block:06d}", lambda file: self.write(file, block), replace)
        skipped = (Skipped(block, f"example {block}", "odd"),) if block % 2 else ()
        return Receipt(block, time.perf_counter() - begun, 1 - len(skipped), skipped)

    def write(self, file: BinaryIO, block: int) -> None:
        file.write(b"%d" % block)
        file.flush()
        time.sleep(30.0 if block >= self.slow else self.seconds)
        file.write(b".")

    def ill(self, where: int | str) -> None:
        if where == self.raises:
            raise self.error(f"no {where}")
        if where == self.dies and (self.always or self.times(where) == 1):
            if self.code >= 0:
                os._exit(self.code)
            os.kill(os.getpid(), -self.code)

    def note(self, what: str) -> None:
        with (self.folder / "notes").open("a") as file:
            file.write(f"{what} {os.getpid()}\n")

    def times(self, what: int | str) -> int:
        return noted(self.folder)[str(what)]


def lines(folder: Path) -> list[list[str]]:
    file = folder / "notes"
    return [line.split() for line in file.read_text().splitlines()] if file.exists() else []


def noted(folder: Path) -> Counter[str]:
    """How often each block was begun, and the work was started."""
    return Counter(what for what, _ in lines(folder))


def processes(folder: Path) -> set[int]:
    """The workers that started the work."""
    return {int(process) for what, process in lines(folder) if what == "start"}


@dataclass(frozen=True)
class Telling(Work):
    """Tells the environment of its worker, as the names of skipped examples."""

    names: tuple[str, ...]

    def start(self) -> Callable[[int], Receipt]:
        return self.do

    def do(self, block: int) -> Receipt:
        time.sleep(0.05)
        said = tuple(Skipped(0, name, os.environ.get(name, "unset")) for name in self.names)
        return Receipt(block, 0.0, 0, said)


def told(engine: Engine, kinds: int, *names: str) -> set[tuple[str, ...]]:
    """What these variables are in the workers, as soon as so many kinds of worker have said it."""
    found: set[tuple[str, ...]] = set()
    with closing(engine.run(Telling(names), itertools.count())) as receipts:
        for receipt in receipts:
            found.add(tuple(one.reason for one in receipt.skipped))
            if len(found) == kinds:
                break
    return found


class Unpicklable(Work):
    """Holds what cannot be sent anywhere."""

    def __init__(self) -> None:
        self.net = lambda x: x

    def start(self) -> Callable[[int], Receipt]:
        return lambda block: Receipt(block, 0.0, 1)


class Unloadable(Work):
    """Can be pickled, but not by the same name in a worker."""

    def __reduce__(self) -> tuple[object, ...]:
        return pickle.loads, (b"cmissing_module\nnet\n.",)

    def start(self) -> Callable[[int], Receipt]:
        raise AssertionError
