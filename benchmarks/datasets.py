"""Rates of sources and of the store of blocks, and peak memory at 2,000 and 20,000 pictures.

`python -m benchmarks.datasets` makes what it reads in a temporary folder, about 1 GB. Each number is the
best of a few; what is read lies in the system's cache, and what is written is brought to the disk.
"""

import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import perf_counter

import numpy as np
from PIL import Image

from backlight_datasets import BlockStore, Plan, SequenceSource, Source, open_source, read_blocks
from backlight_datasets.store import file_name

COUNTS = (2_000, 20_000)
SIDE = 28
LENGTH = 200
RNG = np.random.default_rng(0)


def seconds(
    function: Callable[[], object], times: int = 3, clock: Callable[[], float] = perf_counter
) -> float:
    """The least of a few."""
    taken = []
    for _ in range(times):
        begin = clock()
        function()
        taken.append(clock() - begin)
    return min(taken)


def peak_of_this_process() -> float:
    """In MiB. Not `ru_maxrss`, which begins with what the parent had."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def through(source: Source) -> int:
    return sum(int(batch.x[:, ::7].sum(dtype=np.int64)) for _, batch in read_blocks(source, LENGTH))


def pictures(place: Path, count: int) -> Path:
    """A folder of grey PNG files."""
    for k in range(count):
        file = place / "ab"[k % 2] / f"{k:06}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        pixels = RNG.integers(0, 256, (SIDE, SIDE), dtype=np.uint8)
        Image.fromarray(pixels).save(file, compress_level=1)
    return place


def sources(place: Path) -> dict[str, dict[int, Path]]:
    made: dict[str, dict[int, Path]] = {"folder of PNG": {}, "npz": {}, "npz, deflated": {}}
    for count in COUNTS:
        made["folder of PNG"][count] = pictures(place / str(count), count)
        x = RNG.integers(0, 256, (count, SIDE, SIDE), dtype=np.uint8)
        y = np.arange(count) % 2
        made["npz"][count] = place / f"{count}.npz"
        np.savez(made["npz"][count], x=x, y=y)
        made["npz, deflated"][count] = place / f"{count}-deflated.npz"
        np.savez_compressed(made["npz, deflated"][count], x=x, y=y)
    return made


def rates(known: dict[str, dict[int, Path]]) -> None:
    print(f"{'source':16}{'rows/s':>12}{'opened, s':>12}{'fingerprint, s':>16}")
    count = COUNTS[-1]
    x = RNG.integers(0, 256, (count, SIDE, SIDE), dtype=np.uint8)
    in_memory = {
        "array": SequenceSource(x, np.zeros(count, int)),
        "list of arrays": SequenceSource(list(x), np.zeros(count, int)),
    }
    for name, paths in known.items():
        path = paths[count]
        opened = seconds(lambda path=path: open_source(path))  # type: ignore[misc]
        row(name, open_source(path), f"{opened:12.3f}")
    for name, source in in_memory.items():
        row(name, source, " " * 12)


def row(name: str, source: Source, opened: str) -> None:
    rate = len(source) / seconds(lambda: through(source))
    print(f"{name:16}{rate:12,.0f}{opened}{seconds(source.fingerprint, 1):16.3f}", flush=True)


def stores(place: Path) -> None:
    print(
        f"\n{'store':35}{'write, MB/s':>12}{'block, MB/s':>13}{'row, ms':>9}{'size':>7}"
        f"{'quick look, ms':>16}{'whole, MB/s':>13}"
    )
    for shape, length, blocks in (((SIDE, SIDE), 1000, 20), ((224, 224, 3), 40, 8)):
        for dtype in ("float32", "float16"):
            for where in (str(place), "memory://benchmark"):
                measured(where, shape, length, blocks, dtype)


def measured(place: str, shape: tuple[int, ...], length: int, blocks: int, dtype: str) -> None:
    plan = Plan(count=blocks * length, block_length=length, dtype=dtype)  # type: ignore[arg-type]
    store = BlockStore.begin(f"{place}/store {shape} {dtype}", plan)
    values = RNG.normal(size=(length, *shape)).astype(np.float32)
    scores = RNG.normal(size=length)
    raw = blocks * values.nbytes / 1e6

    def write() -> None:
        for block in range(blocks):
            ids = np.arange(*plan.rows(block))
            store.write(block, ids, {"values/gradient": values, "score": scores})

    written = raw / seconds(write)
    read = raw / seconds(lambda: [store.read(block) for block in range(blocks)])
    one = seconds(lambda: store.read_row(plan.count - 3), 20) * 1e3
    size = sum(len(store.folder.read(file_name(block))) for block in range(blocks)) / raw / 1e6
    quick = seconds(lambda: store.missing(quick=True)) / blocks * 1e3
    whole = raw * size / seconds(store.missing)
    name = f"{dtype}, {' x '.join(map(str, shape))}{', memory://' * ('://' in place)}"
    print(f"{name:35}{written:12.0f}{read:13.0f}{one:9.2f}{size:7.2f}{quick:16.2f}{whole:13.0f}")


def memory(known: dict[str, dict[int, Path]]) -> None:
    print(f"\n{'peak memory, MiB':16}" + "".join(f"{count:>12,}" for count in COUNTS))
    for name, paths in known.items():
        peaks = []
        for path in paths.values():
            command = [sys.executable, "-m", "benchmarks.datasets", str(path)]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            peaks.append(float(done.stdout))
        print(f"{name:16}" + "".join(f"{peak:12.1f}" for peak in peaks), flush=True)


def main() -> None:
    if len(sys.argv) > 1:
        through(open_source(sys.argv[1]))
        print(peak_of_this_process())
        return
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        known = sources(place)
        rates(known)
        stores(place)
        memory(known)


if __name__ == "__main__":
    main()
