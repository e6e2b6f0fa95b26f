"""Reports that are ended at random moments and made again.

`python -m benchmarks.report_kills torch [--seed 0]`: twenty are ended by kill -9, three by Ctrl-C and
three by SIGTERM, at random moments of the time that a report takes; half of them have another report in
their folder before. See `tests.kills` for
what must hold. The exit code is 1 where something does not.
"""

import argparse
import signal
import sys
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np
from tests.kills import NETS, Commands, place, stopped

SIGNALS = (*[signal.SIGKILL] * 20, *[signal.SIGINT] * 3, *[signal.SIGTERM] * 3)


def measure(framework: str, seed: int) -> bool:
    random = np.random.default_rng(seed)
    found: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        there = place(Path(folder), framework, Commands)
        print(f"{framework}: a report takes {there.seconds:.1f} s")
        for turn, number in enumerate(SIGNALS):
            longest = there.seconds
            early = False
            while not early:  # a run that ended before was shorter than this
                longest = delay = random.uniform(0.0, longest)
                what = f"{number.name} after {delay:.2f} s"
                try:
                    early, state = stopped(there, number, delay, before=bool(turn % 2))
                except AssertionError as error:
                    print(f"{what}: {error}", flush=True)
                    found["failed"] += 1
                    break
                when = "in the run" if early else "after it"
                found[f"{number.name} {when}"] += 1
                print(f"{what}, {when}: the folder held the {state} report", flush=True)
    print(dict(found))
    return not found["failed"]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("framework", choices=NETS)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
    sys.exit(not measure(given.framework, given.seed))


if __name__ == "__main__":
    main()
