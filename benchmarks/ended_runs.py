"""A run of `backlight attribute` in a process of its own, and the end of one of its processes.

All processes of a run, Ray's own too, have its mark in their environment: those that outlive it are found
by that.
"""

import os
import random
import signal
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias, get_args

import psutil

from benchmarks.attribute import begun, blocks, contents, prepared

Victim: TypeAlias = Literal["driver", "group", "worker", "raylet", "gcs_server"]
"""Whom a signal is for; the group is what Ctrl-C is for."""

VICTIMS: tuple[Victim, ...] = get_args(Victim)
MOMENTS = ("start", "first block", "between", "finish")

NET = """
import os
import time

import torch
from tests.study.nets import Net

torch.set_num_threads(1)


class Paused(Net):
    def forward(self, x):
        time.sleep(float(os.environ["PAUSE"]))
        return super().forward(x)


def net():
    return Paused().eval()
"""
"""A net that takes as long as is asked for, with the same numbers."""

OPTIONS = ("-m", "integrated_gradients:steps=16", "-m", "gradient", "--block-length", "16")
MARK = "BACKLIGHT_RUN"
AGENTS = ("ray::DashboardAgent", "ray::RuntimeEnvAgent")
"""Of Ray: without its GCS they end after a minute or two, by themselves."""


@dataclass
class Run:
    """One that goes on with what is in the store.

    Attributes:
        folder: has the model, the data and the store.
        pause: seconds of each pass of the net.
    """

    folder: Path
    engine: str
    pause: float = 0.0
    mark: str = field(init=False)

    def __post_init__(self) -> None:
        self.mark = f"{self.folder.name}-{time.monotonic_ns()}"
        self.before, self.torn = self.done, set((self.folder / "store").glob(".*"))
        os.environ |= {MARK: self.mark, "PAUSE": str(self.pause)}
        self.started = time.monotonic()
        self.process = begun(self.folder, "store", self.engine, *OPTIONS)

    @property
    def done(self) -> int:
        return len(blocks(self.folder / "store"))

    @property
    def ended(self) -> bool:
        return self.process.poll() is not None

    def victims(self, victim: Victim) -> list[psutil.Process]:
        """Who can be sent the signal now."""
        if self.ended:
            return []
        driver = psutil.Process(self.process.pid)
        if victim in ("driver", "group"):
            return [driver]
        found = []
        for one in driver.children(recursive=True):
            with suppress(psutil.NoSuchProcess):
                worker = "spawn_main" in " ".join(one.cmdline()) or "::WorkerSide" in one.name()
                if one.name() == victim or (victim == "worker" and worker):
                    found.append(one)
        return found

    def reached(self, moment: str, count: int, delay: float) -> bool:
        """Whether the run is so far.

        Args:
            count: of blocks in all.
            delay: 0 to 1: of the time until the first block, or of the blocks that are missing.
        """
        new = self.done - self.before
        match moment:
            case "start":
                return new > 0 or time.monotonic() - self.started > delay * FIRST[self.kind]
            case "first block":
                return new > 0
            case "between":
                return new > delay * (count - self.before)
        return self.done >= count - 2

    @property
    def kind(self) -> str:
        return self.engine.partition(":")[0]

    def signalled(self, victim: Victim, number: signal.Signals, rng: random.Random) -> bool:
        """Send the signal to one of them; whether it was there."""
        found = self.victims(victim)
        if not found:
            return False
        with suppress(psutil.NoSuchProcess, ProcessLookupError):
            if victim == "group":
                os.killpg(self.process.pid, number)
            else:
                rng.choice(found).send_signal(number)
            return True
        return False

    def moment(self, count: int) -> str:
        """In which part it is."""
        done = self.done
        if done == self.before:
            return "start"
        if done >= count - 2:
            return "finish"
        return "first block" if done <= self.before + 2 else "between"

    def left(self) -> list[psutil.Process]:
        """Processes of it that live."""
        found = []
        for one in psutil.process_iter(["name"]):
            with suppress(psutil.Error):
                if one.status() != psutil.STATUS_ZOMBIE and one.environ().get(MARK) == self.mark:
                    found.append(one)
        return found


FIRST = {"in-process": 4.0, "processes": 10.0, "ray": 20.0}
"""About how many seconds a run takes to its first block."""


def undisturbed(folder: Path, count: int) -> dict[str, bytes]:
    """Write data of so many examples and the net, and let a run be: the files of its store by name."""
    prepared(folder, count)
    (folder / "net.py").write_text(NET)
    alone = Run(folder, "in-process")
    assert alone.process.wait() == 0, alone.process.communicate()[1]
    return contents(folder / "store")
