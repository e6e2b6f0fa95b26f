"""Memory does not grow with the number of examples."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

CODE = """
import sys
from backlight_datasets import open_source, read_blocks
source = open_source(sys.argv[1])
names, total = 0, 0
for block, batch in read_blocks(source, 50):
    total += int(batch.x.sum(dtype="int64"))
    names += len(source.names(*(block * 50, block * 50 + len(batch.ids))))
# Not `ru_maxrss`, which begins with what the parent had.
status = open("/proc/self/status").read()
print(names, total, int(status.partition("VmHWM:")[2].split()[0]) / 1024)
"""
SIDE, MORE = 64, 2000


def peak(path: Path) -> tuple[int, int, float]:
    """How many examples were read, the sum of their values, and the most memory in MiB."""
    done = subprocess.run(
        [sys.executable, "-c", CODE, str(path)], capture_output=True, text=True, check=True
    )
    count, total, memory = done.stdout.split()
    return int(count), int(total), float(memory)


def saved(place: Path, kind: str, count: int) -> tuple[Path, int]:
    """A source of so many pictures, and the sum of their values."""
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
    path = place / f"{kind}-{count}"
    if kind == "folder":
        (path / "a").mkdir(parents=True)
        first = path / "a" / "00000.bmp"
        Image.fromarray(pixels).save(first)
        for k in range(1, count):
            (path / "a" / f"{k:05}.bmp").hardlink_to(first)
    else:
        path = path.with_suffix(".npz")
        x = np.broadcast_to(pixels, (count, *pixels.shape))
        (np.savez if kind == "stored" else np.savez_compressed)(path, x=x, y=np.zeros(count, int))
    return path, count * int(pixels.sum(dtype=np.int64))


@pytest.mark.skipif(sys.platform != "linux", reason="Linux tells the most memory")
@pytest.mark.parametrize("kind", ["folder", "stored", "deflated"])
def test_memory_is_flat(tmp_path: Path, kind: str) -> None:
    few, many = saved(tmp_path, kind, MORE // 10), saved(tmp_path, kind, MORE)
    small, large = peak(few[0]), peak(many[0])
    assert (small[:2], large[:2]) == ((MORE // 10, few[1]), (MORE, many[1]))
    grown = MORE * 0.9 * SIDE * SIDE * 3 / 2**20
    assert grown > 20  # what all pictures at once would take more
    assert large[2] - small[2] < 5
