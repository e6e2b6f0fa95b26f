"""The same examples as every kind of source."""

import csv
import io
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import datasets
import numpy as np
import pyarrow
import pyarrow.parquet
import torch  # before TensorFlow

# isort: split
import tensorflow as tf
from numpy.typing import NDArray

from backlight_datasets import SequenceSource, Source, StreamSource, open_source

Labels: TypeAlias = NDArray[np.int64] | None
FEATURES = ("a", "b", "c")

datasets.disable_progress_bars()


def delimited(place: Path, x: NDArray[Any], y: Labels, sign: str = ",") -> Path:
    path = place / ("table.csv" if sign == "," else "table.tsv")
    with path.open("w", newline="", encoding="utf-8-sig") as file:
        rows = csv.writer(file, delimiter=sign)
        rows.writerow([*FEATURES, "id", *(["label"] if y is not None else [])])
        for k, row in enumerate(x):
            known = [] if y is None else [y[k] if y[k] >= 0 else ""]
            rows.writerow([*map(repr, row.tolist()), f'"ü",\n{k}', *known])
    return path


def table(x: NDArray[Any], y: Labels) -> Any:
    columns: dict[str, Any] = dict(zip(FEATURES, x.T, strict=True))
    columns["id"] = [f"number {k}" for k in range(len(x))]
    if y is not None:
        columns["label"] = pyarrow.array([int(k) if k >= 0 else None for k in y], pyarrow.int64())
    return pyarrow.table(columns)


def parquet(place: Path, x: NDArray[Any], y: Labels) -> Path:
    pyarrow.parquet.write_table(table(x, y), place / "table.parquet", row_group_size=4)
    return place / "table.parquet"


def parquet_folder(place: Path, x: NDArray[Any], y: Labels) -> Path:
    folder = place / "tables"
    folder.mkdir(exist_ok=True)
    whole = table(x, y)
    pyarrow.parquet.write_table(whole.slice(0, 5), folder / "0.parquet", row_group_size=3)
    pyarrow.parquet.write_table(whole.slice(5), folder / "1.parquet")
    return folder


def tar(path: Path, members: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w") as archive:
        for name, data in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return path


def array_bytes(x: NDArray[Any]) -> bytes:
    file = io.BytesIO()
    np.save(file, x)
    return file.getvalue()


def shards(place: Path, x: NDArray[Any], y: Labels) -> Path:
    folder = place / "shards"
    folder.mkdir(exist_ok=True)
    for shard, rows in enumerate((range(6), range(6, len(x)))):
        members: dict[str, bytes] = {}
        for k in rows:
            members[f"in/{k:03}.npy"] = array_bytes(x[k])
            if y is not None and y[k] >= 0:
                members[f"in/{k:03}.cls"] = str(y[k]).encode()
        tar(folder / f"{shard}.tar", members)
    return folder


def npz(place: Path, x: NDArray[Any], y: Labels) -> Path:
    np.savez(place / "data.npz", x=x, **({} if y is None else {"y": y}))
    return place / "data.npz"


class Mapped(torch.utils.data.Dataset[Any]):
    """A map-style data set."""

    def __init__(self, x: NDArray[Any], y: Labels) -> None:
        self.x, self.y = x, y

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, k: int) -> Any:
        x = torch.tensor(self.x[k])
        return (x,) if self.y is None else (x, int(self.y[k]))


class Iterable(torch.utils.data.IterableDataset[Any]):
    """A data set that gives examples in order only."""

    def __init__(self, x: NDArray[Any], y: Labels) -> None:
        self.mapped = Mapped(x, y)

    def __iter__(self) -> Iterator[Any]:
        return (self.mapped[k] for k in range(len(self.mapped)))


def collated(batch: list[Any]) -> Any:
    return torch.utils.data.default_collate(batch)


def pairs(x: NDArray[Any], y: Labels) -> list[Any]:
    return list(x) if y is None else list(zip(x, y.tolist(), strict=True))


def dicts(x: NDArray[Any], y: Labels) -> list[dict[str, Any]]:
    labels = [{}] * len(x) if y is None else [{"label": int(k)} for k in y]
    return [{"x": row, **label} for row, label in zip(x, labels, strict=True)]


def tf_data(x: NDArray[Any], y: Labels) -> Any:
    whole = tf.data.Dataset.from_tensor_slices(x if y is None else (x, y))
    # Without labels nothing shows that these are no batches.
    return whole if y is not None else StreamSource(whole.as_numpy_iterator, len(x))


def tf_batches(x: NDArray[Any], y: Labels) -> Any:
    return tf.data.Dataset.from_tensor_slices(x if y is None else (x, y)).batch(4)


def hugging_face(x: NDArray[Any], y: Labels) -> Any:
    columns: dict[str, Any] = {"x": list(x), "id": [f"number {k}" for k in range(len(x))]}
    if y is not None:
        columns["label"] = y.tolist()
    return datasets.Dataset.from_dict(columns)


def saved(place: Path, x: NDArray[Any], y: Labels) -> Path:
    hugging_face(x, y).save_to_disk(place / "saved")
    return place / "saved"


class Numbered:
    """Begins a pass over pairs."""

    def __init__(self, x: NDArray[Any], y: Labels) -> None:
        self.pairs = pairs(x, y)

    def __call__(self) -> Iterator[Any]:
        return iter(self.pairs)


def in_memory(x: NDArray[Any], y: Labels) -> Source:
    return SequenceSource(list(x), y)


FILES: dict[str, Callable[[Path, NDArray[Any], Labels], Path]] = {
    "npz": npz,
    "csv": delimited,
    "tsv": lambda place, x, y: delimited(place, x, y, "\t"),
    "parquet": parquet,
    "folder of parquet": parquet_folder,
    "folder of tar": shards,
    "saved by datasets": saved,
}
OBJECTS: dict[str, Callable[[NDArray[Any], Labels], object]] = {
    "sequence": in_memory,
    "pairs": pairs,
    "dicts": dicts,
    "array and labels": lambda x, y: (x, y),
    "torch Dataset": Mapped,
    "torch IterableDataset": Iterable,
    "DataLoader": lambda x, y: torch.utils.data.DataLoader(Mapped(x, y), batch_size=4),
    "DataLoader that collates": lambda x, y: torch.utils.data.DataLoader(
        Mapped(x, y), batch_size=4, collate_fn=collated
    ),
    "DataLoader in order": lambda x, y: torch.utils.data.DataLoader(Iterable(x, y), batch_size=4),
    "tf.data": tf_data,
    "tf.data in batches": tf_batches,
    "datasets": hugging_face,
    "datasets in order": lambda x, y: hugging_face(x, y).with_format("numpy").to_iterable_dataset(),
    "function": Numbered,
    "stream": lambda x, y: StreamSource(Numbered(x, y), len(x)),
}
KINDS = (*FILES, *OBJECTS)


def source(kind: str, place: Path, x: NDArray[Any], y: Labels) -> Source:
    """These examples as this kind of source."""
    if kind in FILES:
        return open_source(FILES[kind](place, x, y), labelled=False)
    return open_source(OBJECTS[kind](x, y), labelled=False)
