"""Runs that are stopped at some moment, files that were torn by it, and full disks."""

import errno
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from subprocess import PIPE
from typing import Any, BinaryIO

import pytest

from backlight.partial import hidden
from backlight_datasets import StoreError, block_file


def blocks(folder: Path) -> list[Path]:
    return sorted(folder.glob("block-*.npz"))


def stopped(
    folder: Path, number: int, times: int, count: int, module: str = "tests.datasets.writer"
) -> Iterator[tuple[int, int]]:
    """Runs in processes that get a signal after some blocks: the process's number and how it ended.

    Args:
        folder: of the store.
        number: of the signal.
        count: how many blocks there are to be.
        module: what is run; see `serve`.
    """
    rng = random.Random(0)
    command = [sys.executable, "-m", module, str(folder), str(number)]
    root = Path(__file__).parents[2]
    with subprocess.Popen(command, stdin=PIPE, stdout=PIPE, text=True, cwd=root) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for _ in range(times):
            wanted = min(len(blocks(folder)) + rng.randrange(6), count)
            process.stdin.write("begin\n")
            process.stdin.flush()
            child = int(process.stdout.readline())
            while len(blocks(folder)) < wanted:
                time.sleep(0.0005)
            time.sleep(rng.uniform(0.0, 0.004))
            process.stdin.write("end\n")
            process.stdin.flush()
            yield child, int(process.stdout.readline())
        process.stdin.close()
        assert process.wait() == 0


def tear(folder: Path, process: int, rng: random.Random) -> None:
    """Leave what was being written as a process ended, and a file of which a disk has lost the end, or
    has something else there, or behind it."""
    done = blocks(folder)
    leave(folder, process, done[0].read_bytes()[: rng.randrange(2000)])
    torn = rng.choice(done)
    whole, other = torn.read_bytes(), rng.randbytes(rng.randrange(1, 2000))
    cut = whole[: rng.randrange(len(whole))]
    torn.write_bytes(rng.choice([cut, cut + other, whole + other]))


def leave(folder: Path, process: int, data: bytes) -> None:
    """Leave a file as a process does that is killed while it writes a block."""
    partial = hidden(folder / "block", "partial")
    token = partial.name.replace(f"-{os.getpid()}-", f"-{process}-")
    partial.with_name(token).write_bytes(data)


def fills_the_disk(
    run: Callable[[Path], object], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run for whose eighth block there is no room, which it says."""
    calls = 0
    write = block_file.write_block

    def filling(file: BinaryIO, *given: Any) -> None:
        nonlocal calls
        calls += 1
        write(file, *given)
        if calls > 7:
            file.truncate(500)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr("backlight_datasets.store.write_block", filling)
        with pytest.raises(StoreError, match=r"Block 7 could not be .*: No space left .* stay"):
            run(folder)
