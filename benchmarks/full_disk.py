"""Runs over a data set onto a disk that is full before their end: `python -m benchmarks.full_disk`.

The disk is a small tmpfs, which root can mount. Each engine's run ends with a sentence, what is there is
whole, and once there is room the same command ends with the bytes of a run that had it from the start.
"""

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.attribute import blocks, contents
from benchmarks.ended_runs import Run, undisturbed
from benchmarks.kill_plan import BLOCKS, ENGINES, LENGTH

SMALL, LARGE = "200k", "100m"


@contextmanager
def disk(folder: Path) -> Iterator[None]:
    """A small one at this place."""
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SMALL}", "tmpfs", folder], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", folder], check=True)


def filled(folder: Path, engine: str, wanted: dict[str, bytes]) -> None:
    store = folder / "store"
    with disk(store):
        run = Run(folder, ENGINES[engine])
        said = run.process.communicate(timeout=300)[1]
        code, done = run.process.returncode, contents(store)
        last = said.splitlines()[-1]
        print(f"{engine}: {code}, {len(blocks(store))} of {BLOCKS} blocks: {last}", flush=True)
        assert code == 2, said
        assert "could not be written" in last and "No space left on device" in last, said
        assert 0 < len(blocks(store)) < BLOCKS
        assert all(wanted[name] == data for name, data in done.items()), done.keys()
        until = time.monotonic() + 10.0
        while run.left():
            assert time.monotonic() < until, run.left()
            time.sleep(0.1)
        subprocess.run(["mount", "-o", f"remount,size={LARGE}", store], check=True)
        run = Run(folder, ENGINES[engine])
        said = run.process.communicate(timeout=300)[1]
        assert run.process.returncode == 0, said
        assert contents(store) == wanted
        print(f"{engine}: gone on with, {len(wanted)} files have the same bytes", flush=True)
    store.rmdir()


def main() -> None:
    for engine in sys.argv[1:] or ENGINES:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            wanted = undisturbed(folder, BLOCKS * LENGTH)
            (folder / "store").rename(folder / "whole")
            filled(folder, engine, wanted)


if __name__ == "__main__":
    main()
