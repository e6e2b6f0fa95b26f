"""Ctrl-C at random moments: `python -m benchmarks.interrupts torch [--tries 10000] [--seed 0]`.

A second process presses it, at a moment drawn evenly from the time that a call takes. Then all that a
call alters must be as before, and a later call must give the values that it gave before. Of each 20
tries at one technique the first two are at first calls, in which the net is traced and compiled.
"""

import argparse
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable

import numpy as np

os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from tests.interruption import FRAMEWORKS, subject

import backlight

PRESSER = """
import os, signal, sys, time
for line in sys.stdin:
    time.sleep(float(line))
    os.kill(os.getppid(), signal.SIGINT)
"""

BLOCK, FIRST = 20, 2
"""How many tries at one technique, and how many of them at first calls."""

LOST = 5.0
"""Seconds to wait for an interrupt before it counts as lost."""


def seconds(call: Callable[[], object]) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def interrupted(call: Callable[[], object], delay: float, presser: "subprocess.Popen[str]") -> str:
    """Where the interrupt came: in the call, after it, or nowhere."""
    assert presser.stdin is not None
    where = "in the call"
    try:
        presser.stdin.write(f"{delay}\n")
        presser.stdin.flush()
        call()
        where = "after the call"
        time.sleep(LOST)
    except KeyboardInterrupt:
        return where
    return "lost"


def measure(framework: str, tries: int, seed: int) -> bool:
    random = np.random.default_rng(seed)
    chosen = subject(framework)
    names = list(chosen.calls)
    expected, lengths = {}, {}
    for name, call in chosen.calls.items():
        first = seconds(lambda call=call: (backlight.forget(), call()))
        expected[name] = call()
        lengths[name] = (first, min(seconds(call) for _ in range(3)))
    before = chosen.state()
    found: Counter[str] = Counter()
    with subprocess.Popen([sys.executable, "-c", PRESSER], stdin=subprocess.PIPE, text=True) as one:
        time.sleep(1.0)
        for number in range(tries):
            if number % BLOCK == 0:
                name = names[random.integers(len(names))]
                call = chosen.calls[name]
            first = number % BLOCK < FIRST
            if first:
                backlight.forget()
            if number % BLOCK == FIRST and not same(call(), expected[name]):
                found["other values"] += 1
                print(f"other values of {name}")
            delay = random.uniform(0, 1.1 * lengths[name][not first])
            where = interrupted(call, delay, one)
            found[f"{'first calls: ' if first else ''}{where}"] += 1
            after = chosen.state()
            if after != before:
                found["altered"] += 1
                pairs = zip(before, after, strict=True)
                print(f"altered by {name}: {[pair for pair in pairs if pair[0] != pair[1]]}")
                before = after
            if number % 500 == 499:
                print(framework, number + 1, dict(found), flush=True)
        one.terminate()
    bad = ("altered", "other values", "lost", "first calls: lost")
    return not any(found[kind] for kind in bad)


def same(values: np.ndarray, expected: np.ndarray) -> bool:
    return bool(np.allclose(values, expected, rtol=1e-5, atol=1e-6))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("framework", choices=FRAMEWORKS)
    parser.add_argument("--tries", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
    sys.exit(not measure(given.framework, given.tries, given.seed))


if __name__ == "__main__":
    main()
