"""A run in a process of its own that gets a signal in the midst."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.engines.laws import none_left, whole
from tests.engines.run import SLOW

ROOT = Path(__file__).parents[2]


def stopped(number: signal.Signals, folder: Path, *run: str) -> None:
    """Begin `tests.engines.run`, send a signal while a block is written that takes long, and look at what
    is left: no process, and the blocks before.

    Args:
        number: of the signal; Ctrl-C, SIGINT, is for all processes of a terminal.
        run: the engine and its options.
    """
    name, *options = run
    command = [sys.executable, "-m", "tests.engines.run", name, str(folder), *options]
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        start_new_session=True,
    ) as process:
        while not list(folder.glob(".block*")) or len(list(folder.glob("block*"))) < SLOW:
            time.sleep(0.05)
            assert process.poll() is None, process.stderr
        if number == signal.SIGINT:
            os.killpg(process.pid, number)
        else:
            process.send_signal(number)
        said, errors = process.communicate()
    assert process.returncode == (-number if number == signal.SIGKILL else 130), errors
    none_left(folder)
    assert {line for line in said.splitlines() if line.isdigit()} <= set(map(str, range(SLOW)))
    whole(folder, range(SLOW))
    assert errors == "" or number == signal.SIGKILL
