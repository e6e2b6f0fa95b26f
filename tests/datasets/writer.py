"""A process that goes on with a store again and again, each time in a child that is there to be killed.

`python -m tests.datasets.writer FOLDER SIGNAL`: at a line it begins a child and writes its number, at the
next one it sends it the signal and writes how it ended. When there are no more lines it goes on itself.
"""

import os
import sys
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backlight.errors import BacklightWarning
from backlight_datasets import Batch, BlockStore, Plan, SequenceSource, read_blocks

X = np.random.default_rng(0).normal(size=(200, 40, 30)).astype(np.float32)


class Examples(list[NDArray[Any]]):
    """Some of which cannot be read."""

    def __getitem__(self, at: Any) -> Any:
        if at % 17 == 3:
            raise RuntimeError(f"no {at}")
        return super().__getitem__(at)


SOURCE = SequenceSource(Examples(X), np.arange(200) % 3)
PLAN = Plan(count=200, block_length=3, dtype="float16", data=SOURCE.fingerprint())


def results(batch: Batch) -> dict[str, NDArray[Any]]:
    return {"values": batch.x * batch.x, "score": batch.x.sum(axis=(1, 2), dtype=np.float64)}


def run(folder: Path) -> None:
    """Go on with what is missing."""
    store = BlockStore.begin(folder, PLAN)
    missing = store.missing()
    for block, batch in read_blocks(SOURCE, PLAN.block_length, missing, before=store.skipped()):
        store.write(block, batch.ids, results(batch), batch.skipped)


def child(run: Callable[[Path], object], folder: Path) -> None:
    warnings.simplefilter("ignore", BacklightWarning)  # of files that were torn on purpose
    try:
        run(folder)
    except KeyboardInterrupt:
        os._exit(130)
    except BaseException:
        traceback.print_exc()
    os._exit(0)


def serve(run: Callable[[Path], object]) -> None:
    """See the module; `run` goes on with the store in a folder."""
    folder, number = Path(sys.argv[1]), int(sys.argv[2])
    while sys.stdin.readline():
        process = os.fork()
        if not process:
            child(run, folder)
        print(process, flush=True)
        sys.stdin.readline()
        os.kill(process, number)
        print(os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]), flush=True)
    run(folder)


if __name__ == "__main__":
    serve(run)
