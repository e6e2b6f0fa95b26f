"""A run in a process of its own that gets a signal in the midst."""

import signal
import subprocess
import sys
from pathlib import Path

from tests.engines.laws import none_left

ROOT = Path(__file__).parents[2]


def stopped(number: signal.Signals, folder: Path, *run: str) -> None:
    """Begin `tests.engines.run`, send it the signal after some blocks, and look at what is left: no
    process, and whole blocks alone.

    Args:
        run: the engine and its options.
    """
    name, *options = run
    command = [sys.executable, "-m", "tests.engines.run", name, str(folder), *options]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        said = [process.stdout.readline() for _ in range(4)]
        process.send_signal(number)
        said += process.stdout.readlines()
        wanted = -number if number == signal.SIGKILL else 130
        assert process.wait() == wanted, process.stderr.read()
        errors = process.stderr.read()
    none_left(folder)
    found = {path.name: path.read_bytes() for path in folder.glob("block-*")}
    assert all(content == b"%d." % int(name[6:]) for name, content in found.items())
    assert {f"block-{int(line):06d}" for line in said if line.strip().isdigit()} <= found.keys()
    if number != signal.SIGKILL:
        assert "Traceback" not in errors
