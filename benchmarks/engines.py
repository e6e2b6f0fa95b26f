"""Engines: how soon they begin, what a block costs, how busy they keep two workers, and how many blocks a
driver gives out. `python -m benchmarks.engines` takes about five minutes.

Efficiency is the part of the time that workers spend in blocks, once both have started. Where they
compute, each pinned to a core, two runs of their own at the same blocks are the yardstick: memory is
shared among them as well.
"""

import itertools
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil

from backlight_engines import Engine, InProcess, Receipt, Work, make_engine
from backlight_engines.driver import drive
from backlight_engines.workers import Answer, Ready, Worker, Workers

WORKERS = 2
BLOCKS = 40
SECONDS = 0.5
TIMES = 3
NAMES = ("processes", "ray")
MILLION = 10**6


@dataclass(frozen=True)
class Timed(Work):
    """Blocks that do nothing, sleep or compute.

    Attributes:
        folder: where each worker leaves when it started, and takes a core.
        products: of matrices, that a block computes.
    """

    folder: Path
    kind: str = "nothing"
    products: int = 0

    def start(self) -> Callable[[int], Receipt]:
        if self.kind == "compute":
            os.sched_setaffinity(0, {self.core()})
        matrix = np.random.default_rng(0).normal(size=(700, 700))
        (self.folder / f"start-{os.getpid()}").write_text(repr(time.time()))

        def do(block: int) -> Receipt:
            begun = time.perf_counter()
            if self.kind == "sleep":
                time.sleep(SECONDS)
            for _ in range(self.products):
                matrix @ matrix
            return Receipt(block, time.perf_counter() - begun, 1)

        return do

    def core(self) -> int:
        for core in itertools.cycle(sorted(os.sched_getaffinity(0))):
            try:
                (self.folder / f"core-{core}").touch(exist_ok=False)
            except FileExistsError:
                continue
            return core
        raise AssertionError

    def all_started(self) -> float:
        return max(float(file.read_text()) for file in self.folder.glob("start-*"))


def efficiency(engine: Engine, kind: str, products: int = 0) -> tuple[float, float]:
    """The part of the time in blocks after the start of both workers, and the seconds of a block."""
    with tempfile.TemporaryDirectory() as folder:
        work = Timed(Path(folder), kind, products)
        found = [(time.time(), one) for one in engine.run(work, range(BLOCKS))]
        start = work.all_started()
    inside = [one.seconds for at, one in found if at - one.seconds >= start - 0.01]
    end = found[-1][0]
    return sum(inside) / (WORKERS * (end - start)), statistics.mean(inside)


def independent(products: int) -> float:
    """The seconds of a block in two runs beside each other that know nothing of each other."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "benchmarks.engines", folder, str(products)]
        # Of threads as many as workers have: two that are pinned to one core are in each other's way.
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        both = [
            subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
            for _ in range(WORKERS)
        ]
        return statistics.mean(float(one.communicate()[0]) for one in both)


def alone(folder: str, products: int) -> None:
    run = InProcess().run(Timed(Path(folder), "compute", products), range(BLOCKS // WORKERS))
    print(statistics.mean(receipt.seconds for receipt in run))


def beginning(engine: Engine, blocks: int) -> tuple[float, float]:
    """Seconds until the first receipt, and per empty block after it."""
    with tempfile.TemporaryDirectory() as folder:
        begun = time.perf_counter()
        run = engine.run(Timed(Path(folder)), range(blocks))
        next(run)
        first = time.perf_counter()
        count = sum(1 for _ in run)
        return first - begun, (time.perf_counter() - first) / count


def products_of_a_block() -> int:
    matrix = np.random.default_rng(0).normal(size=(700, 700))
    begun = time.perf_counter()
    for _ in range(10):
        matrix @ matrix
    return max(round(10 * 1.2 * SECONDS / (time.perf_counter() - begun)), 1)


class Pretended(Worker):
    def __init__(self, sent: deque[tuple["Pretended", Answer]]) -> None:
        self.sent = sent

    def send(self, block: int) -> None:
        self.sent.append((self, Receipt(block, 0.0, 1)))


class Pretenders(Workers):
    """A thousand workers that are none, and take no time."""

    def __init__(self) -> None:
        self.sent: deque[tuple[Pretended, Answer]] = deque()

    def begin(self) -> Worker:
        worker = Pretended(self.sent)
        self.sent.append((worker, Ready()))
        return worker

    def answers(self) -> Iterator[tuple[Worker, Answer]]:
        while True:
            yield self.sent.popleft()

    def end(self) -> None:
        self.sent.clear()


def a_million(name: str, run: Iterator[Receipt]) -> None:
    """Rate and growth of memory after the first thousand."""
    for _ in itertools.islice(run, 1000):
        pass
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    begun = time.perf_counter()
    count = sum(1 for _ in run)
    rate = count / (time.perf_counter() - begun)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    print(f"{name:42} {rate:10,.0f} blocks/s, {grown / 1024:.1f} MiB more at the end", flush=True)


def main() -> None:
    os.environ["RAY_worker_niceness"] = "0"  # noqa: SIM112  Ray spells it so; else its workers yield
    with tempfile.TemporaryDirectory() as folder:
        a_million(
            "in this process, 10^6 empty", InProcess().run(Timed(Path(folder)), range(MILLION))
        )
    a_million(
        "driver of 1,000 pretended workers, 10^6", drive(Pretenders(), 1000, range(MILLION), 0)
    )
    products = products_of_a_block()
    print(f"\n{os.cpu_count()} cores, load {psutil.getloadavg()[0]:.1f}; {WORKERS} workers")
    print(f"{'':12}{'first':>8}{'block':>11}{'sleeping':>10}{'computing':>11}{'/ independent':>15}")
    for name in NAMES:
        engine = make_engine(name, {"workers": WORKERS})
        first, each = beginning(engine, 20_000 if name == "processes" else 5_000)
        sleeping = statistics.median(efficiency(engine, "sleep")[0] for _ in range(TIMES))
        pairs = [
            (independent(products), *efficiency(engine, "compute", products)) for _ in range(TIMES)
        ]
        busy = statistics.median(part for _, part, _ in pairs)
        ratio = statistics.median(part * apart / seconds for apart, part, seconds in pairs)
        print(
            f"{name:12}{first:7.2f}s{each * 1000:9.3f}ms{sleeping:10.3f}{busy:11.3f}{ratio:15.3f}",
            flush=True,
        )


if __name__ == "__main__":
    if len(sys.argv) > 1:
        alone(sys.argv[1], int(sys.argv[2]))
    else:
        main()
