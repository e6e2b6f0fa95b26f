"""A data set explained: memory, time against a bare loop, size on disk.

python -m benchmarks.attribute memory in-process               # peak memory at 2,000 and 200,000 examples
python -m benchmarks.attribute loop torch                      # against calling the technique in a loop
python -m benchmarks.attribute size                            # bytes and seconds per example
"""

import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from tests.study.nets import CLASSES, NETS

SIDE = 8
NET = """
import torch
from tests.study.nets import Net

torch.set_num_threads(1)


def net():
    return Net().eval()
"""
COMMAND = "from backlight.command_line import main; main()"


def prepared(folder: Path, count: int) -> None:
    """A model and data with names."""
    rng = np.random.default_rng(0)
    (folder / "net.py").write_text(NET)
    x = rng.integers(0, 256, (count, SIDE, SIDE, 1), dtype=np.uint8)
    np.savez(folder / "data.npz", x=x, y=rng.integers(0, 3, count), classes=np.array(CLASSES))


def begun(folder: Path, store: str, engine: str, *options: str) -> "subprocess.Popen[str]":
    """`backlight attribute` as a user runs it."""
    given = ("attribute", f"{folder}/net.py:net", f"{folder}/data.npz", "-o", f"{folder}/{store}")
    return subprocess.Popen(
        [sys.executable, "-c", COMMAND, *given, "--engine", engine, *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def blocks(store: Path) -> list[Path]:
    return sorted(store.glob("block-*.npz"))


def contents(store: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in store.iterdir() if path.name != "origin.json"}


def memory(engine: str) -> None:
    """Peak memory of the driver, or of the largest of its workers."""
    for count in (2_000, 200_000):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            prepared(folder, count)
            process = begun(folder, "store", engine, "-m", "gradient", "--keep", "summary")
            most = {"driver": 0, "worker": 0}
            while process.poll() is None:
                try:
                    parent = psutil.Process(process.pid)
                    most["driver"] = max(most["driver"], parent.memory_info().rss)
                    for one in parent.children(recursive=True):
                        most["worker"] = max(most["worker"], one.memory_info().rss)
                except psutil.NoSuchProcess:
                    continue
                time.sleep(0.05)
            assert process.returncode == 0, process.communicate()[1]
            told = ", ".join(f"{who} {peak >> 20} MiB" for who, peak in most.items() if peak)
            print(f"{engine}, {count:,} examples: {told}", flush=True)


def loop(framework: str, times: int = 9) -> None:
    """Time against calling the technique block by block, the other way around each time."""
    import backlight
    from backlight import Examples, attribute_dataset

    count, length = 4096, 512
    rng = np.random.default_rng(0)
    x = rng.random((count, SIDE, SIDE, 1), dtype=np.float32)
    if framework == "torch":
        import torch

        torch.set_num_threads(1)
        x = x.transpose(0, 3, 1, 2).copy()
    net = NETS[framework]()
    data = Examples(x, rng.integers(0, 3, count), CLASSES)
    method = backlight.methods()["integrated_gradients"](steps=64)

    def bare() -> None:
        for start in range(0, count, length):
            method(net, x[start : start + length], batch_size=256)

    def ours() -> None:
        with tempfile.TemporaryDirectory() as name:
            attribute_dataset(
                net, data, store=name, methods=[method], block_length=length, batch_size=256
            )

    bare()
    ours()  # compiled now
    ratios, blocks_take = [], []
    for turn in range(times):
        pair: dict[str, float] = {}
        for which in (bare, ours) if turn % 2 else (ours, bare):
            pair[which.__name__] = processor(which)
        ratios.append(pair["ours"] / pair["bare"])
        blocks_take.append(pair["bare"] / (count / length))
    print(
        f"{framework}: {statistics.median(ratios):.3f} of the loop's time "
        f"({min(ratios):.3f} to {max(ratios):.3f}, {times} pairs), blocks of "
        f"{statistics.median(blocks_take):.2f} s"
    )


def processor(run: Callable[[], Any]) -> float:
    before = resource.getrusage(resource.RUSAGE_SELF)
    run()
    after = resource.getrusage(resource.RUSAGE_SELF)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def size() -> None:
    """Bytes on disk per example for each thing that may be kept, 224 x 224 x 3 and 28 x 28."""
    import torch

    from backlight import Examples, attribute_dataset

    torch.set_num_threads(1)
    for shape, count in (((3, 224, 224), 64), ((1, 28, 28), 2048)):
        net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(int(np.prod(shape)), 3))
        x = np.random.default_rng(0).random((count, *shape), dtype=np.float32)
        for keep in ("whole", "grid:14x14", "top:20", "summary", "none"):
            with tempfile.TemporaryDirectory() as name:
                start = time.perf_counter()
                attribute_dataset(
                    net,
                    Examples(x, np.arange(count) % 3),
                    store=name,
                    methods=["gradient"],
                    keep=keep,
                )
                spent = time.perf_counter() - start
                stored = sum(path.stat().st_size for path in Path(name).iterdir())
            print(f"{shape}, {keep}: {stored / count:,.0f} bytes, {1e3 * spent / count:.2f} ms")


def main() -> None:
    what, *rest = sys.argv[1:]
    match what:
        case "memory":
            memory(rest[0])
        case "loop":
            loop(rest[0])
        case "size":
            size()


if __name__ == "__main__":
    main()
