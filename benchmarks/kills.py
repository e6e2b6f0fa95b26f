"""Runs over a data set of which one process is ended, at random moments, with torn files left behind.

`python -m benchmarks.kills [--seed 0] [--engine ray] [--victim raylet]`; all takes about half an hour
beside other work. A run whose worker dies goes on and ends well, having said so; one whose driver or Ray
dies ends soon, with a sentence, and the same command goes on. In the end each example is there once, and
each file has the bytes of a run that was let be. The exit code is 1 where something is not so.
"""

import argparse
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from signal import SIGINT, SIGKILL, SIGTERM

from tests.datasets.stopping import tear

from backlight_attribute import Attributions
from benchmarks.attribute import blocks, contents
from benchmarks.ended_runs import AGENTS, MOMENTS, VICTIMS, Run, Victim, undisturbed
from benchmarks.kill_plan import BLOCKS, ENGINES, LENGTH, PLAN, RAY, Kill

SOON = 30.0
"""Seconds within which a run has ended, and its processes are gone. Ray's agents have longer."""

STARTING = 70.0
"""Where Ray was just beginning, and waits for itself."""


class Trial:
    """All kills of an engine, one after the other, in a store that is begun anew when it is complete."""

    def __init__(self, folder: Path, engine: str, wanted: dict[str, bytes], seed: int) -> None:
        self.folder, self.store, self.engine = folder, folder / "store", engine
        self.wanted = wanted
        self.random = random.Random(seed)
        self.moments: dict[Kill, Counter[str]] = defaultdict(Counter)
        self.codes: dict[Kill, Counter[int]] = defaultdict(Counter)
        self.seconds: dict[Kill, list[float]] = defaultdict(list)
        self.runs: list[Run] = []

    def run(self, pause: float = 0.0) -> Run:
        return Run(self.folder, ENGINES[self.engine], pause)

    def kill(self, kill: Kill, moment: str) -> None:
        """End a run once, at about this moment; where it had ended before, another one."""
        for _ in range(10):
            if BLOCKS - len(blocks(self.store)) < 12:
                self.complete()
            run, delay = self.run(kill.pause), self.random.random()
            while not run.ended and not (
                run.reached(moment, BLOCKS, delay) and run.victims(kill.victim)
            ):
                time.sleep(0.01)
            time.sleep(self.random.uniform(0.0, 0.1))
            at = run.moment(BLOCKS)
            sent = run.signalled(kill.victim, kill.number, self.random)
            since = time.monotonic()
            _, said = run.process.communicate(timeout=10 * SOON)
            seconds = time.monotonic() - since
            if sent and (run.process.returncode != 0 or kill.victim in RAY):
                self.note(kill, at, run, said, seconds)
                if blocks(self.store):
                    tear(self.store, run.process.pid, self.random)
                return
        raise AssertionError(f"{kill}: ten runs ended before {moment}")

    def note(self, kill: Kill, at: str, run: Run, said: str, seconds: float) -> None:
        """Judge how a run ended, and count it."""
        code = run.process.returncode
        last = " ".join(said.split())[-300:]
        print(f"{kill}, {at}: {code} after {seconds:.1f} s: {last}", flush=True)
        # While the library itself is imported nothing of it runs: Python ends as it always does.
        codes = {{SIGKILL: -9, SIGTERM: 143, SIGINT: 130}[kill.number], -kill.number}
        if kill.victim in RAY:  # the last blocks may be done before it is noticed
            codes = {2, 0} if len(blocks(self.store)) == BLOCKS else {2}
        by_ray = kill.victim in RAY and code == 1 and "Failed to connect to GCS" in said
        if by_ray:  # which begins its cluster, waits for a minute and ends the process itself
            codes = {1}
        assert code in codes, f"{kill}, {at}: {code}: {said}"
        assert "Traceback" not in said or code == -kill.number, said
        ours = code <= 0 or said.splitlines()[-1].startswith(("Stopped", "Error: Ray"))
        assert ours or by_ray, said
        limit = STARTING if by_ray or "cannot begin" in said else SOON
        assert seconds < limit, f"{kill}, {at}: it ended after {seconds} s"
        gone_by = time.monotonic() + SOON
        while others := [one for one in run.left() if one.info["name"] not in AGENTS]:
            assert time.monotonic() < gone_by, f"{kill}, {at}: left are {others}"
            time.sleep(0.2)
        if kill.number != SIGKILL:
            left = set(self.store.glob(".*")) - run.torn
            assert not left, f"{kill}, {at}: left are {left}"
        self.runs.append(run)
        self.moments[kill][at] += 1
        self.codes[kill][code] += 1
        self.seconds[kill].append(seconds)

    def complete(self) -> None:
        """Let a run be, and begin the store anew."""
        run = self.run()
        said = run.process.communicate()[1]
        assert run.process.returncode == 0, said
        self.same()

    def workers(self, kill: Kill, count: int) -> None:
        """End workers of runs that go on, a few in each."""
        done = 0
        while done < count:
            shutil.rmtree(self.store, ignore_errors=True)
            run, hit = self.run(0.03), Counter[str]()
            while not run.ended and done + hit.total() < count:
                if self.random.random() < 0.7:  # else whatever it does, also where it starts
                    known = run.done
                    while not run.ended and run.done == known:
                        time.sleep(0.01)
                time.sleep(self.random.uniform(0.0, 3.0))
                at = run.moment(BLOCKS)
                hit[at] += run.signalled(kill.victim, kill.number, self.random)
            said = run.process.communicate(timeout=600)[1]
            assert run.process.returncode == 0, said
            told = said.count("Warning: A worker ")
            print(f"{kill}: {dict(hit)}, {told} noticed, {time.monotonic() - run.started:.0f} s")
            idle = 1 + hit["finish"]  # at the end there are no blocks, and nobody misses a worker
            assert hit.total() - idle <= told <= hit.total(), said
            self.moments[kill] += hit
            self.codes[kill][0] += 1
            self.runs.append(run)
            done += told
            self.same()

    def same(self) -> None:
        """All is there once, with the bytes of a run that was let be; then remove it."""
        found = contents(self.store)
        assert found.keys() == self.wanted.keys(), set(found) ^ set(self.wanted)
        assert found == self.wanted
        ids, _ = Attributions.open(self.store).column("predicted")
        assert ids.tolist() == list(range(BLOCKS * LENGTH))
        shutil.rmtree(self.store)

    def show(self) -> None:
        for kill, found in self.moments.items():
            when = ", ".join(f"{found[one]} {one}" for one in MOMENTS if found[one])
            seconds = self.seconds[kill]
            told = f"; ended after {min(seconds):.1f} to {max(seconds):.1f} s" if seconds else ""
            codes = ", ".join(map(str, sorted(self.codes[kill])))
            print(f"{found.total():3} {kill}: {when}; exit codes {codes}{told}", flush=True)

    def outlived(self) -> int:
        """How many processes are left of all runs; Ray's agents have three minutes."""
        until = time.monotonic() + 180.0
        while left := [one for run in self.runs for one in run.left()]:
            if time.monotonic() > until:
                break
            time.sleep(1.0)
        print(f"{self.engine}: {len(left)} processes are left", flush=True)
        return len(left)


def measure(engine: str, seed: int, victims: Sequence[Victim] | None) -> bool:
    """Do the plan of an engine, and show what was ended when. Whether all was as it must be."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        trial = Trial(folder, engine, undisturbed(folder, BLOCKS * LENGTH), seed)
        trial.same()
        plan = [one for one in PLAN[engine] if one.victim in (victims or VICTIMS)]
        kills = [one for one in plan if one.victim != "worker"]
        moments = [MOMENTS[place % len(MOMENTS)] for place in range(len(kills))]
        trial.random.shuffle(moments)
        sound = True
        try:
            for kill, moment in zip(kills, moments, strict=True):
                trial.kill(kill, moment)
            trial.complete()
            trial.workers(Kill(engine, "worker", SIGKILL), len(plan) - len(kills))
        except (AssertionError, subprocess.TimeoutExpired) as error:
            print(f"Not so: {error}")
            sound = False
        trial.show()
        return sound and not trial.outlived()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--engine", choices=PLAN, action="append")
    parser.add_argument("--victim", choices=VICTIMS, action="append")
    given = parser.parse_args()
    signal.signal(SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
    sound = [measure(engine, given.seed, given.victim) for engine in given.engine or PLAN]
    sys.exit(not all(sound))


if __name__ == "__main__":
    main()
