"""A study of the Fashion net: seconds, passes as foreseen and as taken, and peak memory by the number of
pictures, each in a process of its own.

`python -m benchmarks.study torch` explains every mistake by four techniques and three questions;
`python -m benchmarks.study torch 20000` judges so many pictures from a file and explains eight of them.
"""

import sys
import tempfile
import time
from importlib import import_module
from pathlib import Path

import numpy as np

from backlight import Examples
from backlight_demo import fashion
from backlight_study import judge, study

MODULES = {"torch": "torch", "tensorflow": "keras", "jax": "jax", "mlx": "mlx"}
TECHNIQUES = ("integrated_gradients", "deep_lift", "grad_cam", "occlusion:window=6,stride=2")


def peak() -> float:
    """The most memory that this process has had, in MiB, as Linux tells it."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


def explained(framework: str) -> None:
    net = import_module(f"backlight_demo.fashion_{MODULES[framework]}").net()
    images, labels = fashion.examples()
    started, spent = time.perf_counter(), time.process_time()
    made = study(net, Examples(images, labels, fashion.CLASSES), methods=TECHNIQUES, limit=200,
                 right=200, framework=framework)  # fmt: skip
    wall, processor = time.perf_counter() - started, time.process_time() - spent
    print(f"{len(made.rows)} cases x {len(TECHNIQUES)} techniques x 3 questions: {wall:.1f} s, "
          f"{processor:.1f} processor s; {made.passes}, foreseen {made.foreseen.passes}")  # fmt: skip
    started = time.process_time()
    judgement = judge(made)
    print(f"metrics and findings: {time.process_time() - started:.1f} processor s; {judgement.passes}, "
          f"foreseen {judgement.foreseen.passes}")  # fmt: skip


def judged(framework: str, count: int) -> None:
    net = import_module(f"backlight_demo.fashion_{MODULES[framework]}").net()
    images, labels = fashion.examples()
    rows = np.arange(count) % len(images)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "pictures.npz"
        np.savez(file, x=images[rows], y=labels[rows], classes=np.array(fashion.CLASSES))
        del images
        study(net, file, methods=["gradient"], limit=8, framework=framework)
    print(f"{count} pictures of {28 * 28 * count / 2**20:.0f} MiB: peak {peak():.0f} MiB")


def main() -> None:
    framework, *count = sys.argv[1:]
    if count:
        judged(framework, int(count[0]))
    else:
        explained(framework)


if __name__ == "__main__":
    main()
