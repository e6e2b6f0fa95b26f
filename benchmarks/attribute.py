"""A data set explained: kills, memory, time against a bare loop, size on disk.

python -m benchmarks.attribute kills processes:workers=2 40    # driver, workers, SIGTERM; torn files;
                                                               # of 8,000 examples, or so many as said
python -m benchmarks.attribute memory in-process               # peak memory at 2,000 and 200,000 examples
python -m benchmarks.attribute loop torch                      # against calling the technique in a loop
python -m benchmarks.attribute size                            # bytes and seconds per example
"""

import random
import resource
import shutil
import signal
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


def kills(engine: str, times: int, examples: int) -> None:
    """Runs that are ended at random moments end in the bytes of one that was let be."""
    options = ("-m", "integrated_gradients:steps=16", "-m", "gradient", "--block-length", "16")
    options += ("--target", "predicted", "--target", "contrast")
    rng, ended = random.Random(0), dict[str, int]()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepared(folder, examples)
        process = begun(folder, "whole", "in-process", *options)
        assert process.wait() == 0, process.communicate()[1]
        wanted = contents(folder / "whole")
        left = leftover()
        for _ in range(times):
            process = begun(folder, "store", engine, *options)
            known = len(blocks(folder / "store"))
            while process.poll() is None and len(blocks(folder / "store")) == known:
                time.sleep(0.01)
            time.sleep(rng.uniform(0, 0.5))
            what = end(process, rng)
            ended[what] = ended.get(what, 0) + 1
            if what != "a worker, SIGKILL":
                process.communicate()
                left = max(left, leftover())
            else:
                process.communicate(timeout=600)
                assert process.returncode == 0, "the run did not go on without the worker"
            tear(folder / "store", rng)
            if len(blocks(folder / "store")) == len(wanted) - 2:
                shutil.rmtree(folder / "store")
        process = begun(folder, "store", engine, *options)
        _, told = process.communicate(timeout=600)
        assert process.returncode == 0, told
        found = contents(folder / "store")
        same = sum(found.get(one) == wanted[one] for one in wanted)
        print(
            f"{engine}: {times} runs ended ({', '.join(f'{n} {w}' for w, n in ended.items())}); "
            f"{same} of {len(wanted)} files have the bytes of a run that was let be, "
            f"{len(found) - len(wanted)} others; processes left after 10 s: {left}"
        )


def end(process: "subprocess.Popen[str]", rng: random.Random) -> str:
    """End a run in one of three ways."""
    children = (
        [
            one
            for one in psutil.Process(process.pid).children()
            if "spawn" in " ".join(one.cmdline())
        ]
        if process.poll() is None
        else []
    )
    way = rng.choice(["driver, SIGKILL", "SIGTERM", *(["a worker, SIGKILL"] if children else [])])
    if way == "a worker, SIGKILL":
        rng.choice(children).kill()
    else:
        process.send_signal(signal.SIGKILL if "KILL" in way else signal.SIGTERM)
    return way


def leftover() -> int:
    """How many processes of a run there are, 10 seconds later at the most."""
    for _ in range(100):
        found = [
            one
            for one in psutil.process_iter(["cmdline", "status"])
            if COMMAND in " ".join(one.info["cmdline"] or ())
            or "spawn_main" in " ".join(one.info["cmdline"] or ())
        ]
        if not found:
            return 0
        time.sleep(0.1)
    return len(found)


def tear(store: Path, rng: random.Random) -> None:
    """Cut a file off, as a disk may that lost power."""
    done = blocks(store)
    if done:
        torn = rng.choice(done)
        torn.write_bytes(torn.read_bytes()[: rng.randrange(torn.stat().st_size)])


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
        case "kills":
            kills(rest[0], int(rest[1]), int(rest[2]) if len(rest) > 2 else 8000)
        case "memory":
            memory(rest[0])
        case "loop":
            loop(rest[0])
        case "size":
            size()


if __name__ == "__main__":
    main()
