"""Rates of every kind of source, sizes of their pickles, and peak memory at few and many examples.

`python -m benchmarks.sources` makes what it reads in a temporary folder, about 1 GB, and removes it.
Rows are 8 numbers in float32, 200,000 of them, in blocks of 200; pictures are 224 x 224 JPEGs. Times are
the processor's, so that what else runs there matters little; rates are the best of two passes, and what
is read lies in the system's cache.
"""

import csv
import io
import pickle
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from backlight.errors import InputError
from backlight_datasets import Source, open_source, read_blocks
from benchmarks.datasets import peak_of_this_process, seconds

COUNTS = (2_000, 200_000)
PICTURES = (2_000, 20_000)
LENGTH = 200
COLUMNS = tuple("abcdefgh")
SIDE = 224


def numbers(count: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    x = np.random.default_rng(0).normal(size=(count, len(COLUMNS))).astype(np.float32)
    return x, np.arange(count) % 10


def npz(place: Path, count: int) -> Path:
    x, y = numbers(count)
    np.savez(place / "data.npz", x=x, y=y)
    return place / "data.npz"


def table(place: Path, count: int) -> Path:
    x, y = numbers(count)
    with (place / "data.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow([*COLUMNS, "label"])
        rows.writerows([*row, label] for row, label in zip(x.tolist(), y.tolist(), strict=True))
    return place / "data.csv"


def parquet(place: Path, count: int) -> Path:
    import pyarrow
    import pyarrow.parquet

    x, y = numbers(count)
    columns = dict(zip(COLUMNS, x.T, strict=True))
    whole = pyarrow.table({**columns, "label": y})
    pyarrow.parquet.write_table(whole, place / "data.parquet", row_group_size=50_000)
    return place / "data.parquet"


def tar(place: Path, count: int) -> Path:
    x, y = numbers(count)
    with tarfile.open(place / "data.tar", "w") as archive:
        for k in range(count):
            file = io.BytesIO()
            np.save(file, x[k])
            for ending, data in (("npy", file.getvalue()), ("cls", str(y[k]).encode())):
                member = tarfile.TarInfo(f"{k:08}.{ending}")
                member.size = len(data)
                archive.addfile(member, io.BytesIO(data))
    return place / "data.tar"


def saved(place: Path, count: int) -> Path:
    import datasets

    datasets.disable_progress_bars()
    x, y = numbers(count)
    datasets.Dataset.from_dict({"x": x, "label": y}).save_to_disk(place / "saved")
    return place / "saved"


def pictures(place: Path, count: int) -> Path:
    """JPEGs in class folders: a few different ones, and links to these."""
    rng = np.random.default_rng(0)
    for k in range(count):
        file = place / "pictures" / "ab"[k % 2] / f"{k:06}.jpg"
        file.parent.mkdir(parents=True, exist_ok=True)
        if k < 20:
            coarse = rng.integers(0, 256, (14, 14, 3), dtype=np.uint8)
            Image.fromarray(coarse).resize((SIDE, SIDE)).save(file, quality=90)
        else:
            file.hardlink_to(place / "pictures" / "ab"[k % 2] / f"{k % 20:06}.jpg")
    return place / "pictures"


class Function:
    """Begins a pass over pairs."""

    def __init__(self, count: int) -> None:
        self.x, self.y = numbers(count)

    def __call__(self) -> Iterator[Any]:
        return zip(self.x, self.y.tolist(), strict=True)


def mapped(count: int) -> Any:
    import torch

    x, y = numbers(count)
    return torch.utils.data.TensorDataset(torch.tensor(x), torch.tensor(y))


def loader(count: int) -> Any:
    import torch

    class InOrder(torch.utils.data.IterableDataset[Any]):
        def __iter__(self) -> Iterator[Any]:
            return iter(mapped(count))

    return torch.utils.data.DataLoader(InOrder(), batch_size=LENGTH)


def tensors(count: int, batched: bool) -> Any:
    import tensorflow as tf

    found = tf.data.Dataset.from_tensor_slices(numbers(count))
    return found.batch(LENGTH) if batched else found


def hugging_face(count: int) -> Any:
    import datasets

    x, y = numbers(count)
    return datasets.Dataset.from_dict({"x": x, "label": y})


FILES: dict[str, Callable[[Path, int], Path]] = {
    "npz": npz,
    "csv": table,
    "parquet": parquet,
    "tar of .npy": tar,
    "saved by datasets": saved,
    "folder of pictures": pictures,
}
OBJECTS: dict[str, Callable[[int], Any]] = {
    "torch Dataset": mapped,
    "torch DataLoader": loader,
    "tf.data": lambda count: tensors(count, False),
    "tf.data in batches": lambda count: tensors(count, True),
    "datasets": hugging_face,
    "function": Function,
}


def through(source: Source) -> float:
    return float(sum(batch.x.sum(dtype=np.float64) for _, batch in read_blocks(source, LENGTH)))


def shipped(source: Source) -> str:
    try:
        return f"{len(pickle.dumps(source)):,}"
    except InputError:
        return "refused"


def row(name: str, data: object) -> None:
    opened = seconds(lambda: open_source(data), 1, process_time)
    source = open_source(data)
    rate = len(source) / seconds(lambda: through(source), 2, process_time)
    digest = seconds(source.fingerprint, 1, process_time)
    print(f"{name:20}{rate:12,.0f}{opened:12.3f}{digest:16.3f}{shipped(source):>16}", flush=True)


def rates(place: Path) -> None:
    print(
        f"{'source':20}{'rows/s':>12}{'opened, s':>12}{'fingerprint, s':>16}{'pickle, bytes':>16}"
    )
    for name, make in FILES.items():
        row(name, make(place, PICTURES[0] if make is pictures else COUNTS[-1]))
    for name, made in OBJECTS.items():
        row(name, made(COUNTS[-1]))


def peak(path: Path) -> float:
    """The most memory of a process that reads all of a source, in MiB."""
    command = [sys.executable, "-m", "benchmarks.sources", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(done.stdout)


def memory(place: Path) -> None:
    print(f"\n{'peak memory, MiB':20}{'few':>12}{'many':>12}")
    for name, make in FILES.items():
        peaks = []
        for count in PICTURES if make is pictures else COUNTS:
            folder = place / f"{name} {count}"
            folder.mkdir()
            peaks.append(f"{peak(make(folder, count)):8.1f} {'':3}")
        print(f"{name:20}{''.join(peaks)}", flush=True)


def main() -> None:
    if len(sys.argv) > 1:
        through(open_source(sys.argv[1]))
        print(peak_of_this_process())
        return
    with tempfile.TemporaryDirectory() as folder:
        rates(Path(folder))
        memory(Path(folder))


if __name__ == "__main__":
    main()
