"""Tar archives as sources: members belong together by name, and what is wrong is said."""

import io
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from backlight.errors import InputError
from backlight_datasets import ColumnNames, ElementReader, open_source
from backlight_datasets.shards.tar import tar_source
from tests.datasets.kinds import array_bytes, tar

X = np.random.default_rng(0).normal(size=(6, 2)).astype(np.float32)


def png(value: int, shape: tuple[int, ...] = (2, 3, 3)) -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.full(shape, value, dtype=np.uint8)).save(file, "png")
    return file.getvalue()


def test_members_belong_together_by_all_before_the_first_dot(tmp_path: Path) -> None:
    members = {
        "in.side/b.png": png(1),
        "in.side/b.cls": b"dog\n",
        "in.side/a.json": b"{}",
        "in.side/a.PNG": png(2),
        "c.seg.png": png(3),
        "c.cls": b"cat",
    }
    path = tar(tmp_path / "t.tar", members)
    found = tar_source(path, ElementReader())
    assert found.names(0, 3) == ("in.side/b", "in.side/a", "c")
    batch = found.read(0, 3)
    assert batch.x[:, 0, 0, 0].tolist() == [1, 2]
    assert (batch.labels.tolist(), found.classes) == ([1, -1], ("cat", "dog"))
    assert [str(one)[:40] for one in batch.skipped] == ["c: it has no picture and no .npy; say wh"]
    only = tar_source(path, ElementReader(ColumnNames(x=("seg.png",), label="")))
    assert only.read(0, 3).x[:, 0, 0, 0].tolist() == [3]
    assert not only.labelled
    assert open_source(path, size=(4, 5), colour="grey").read(0, 1).x.shape == (1, 4, 5, 1)
    ordered = tar_source(path, ElementReader(), classes=("fish", "dog", "cat"))
    assert ordered.read(0, 3).labels.tolist() == [1, -1]


def test_a_broken_or_ragged_example_is_skipped_by_name(tmp_path: Path) -> None:
    members = {
        "0.png": png(0),
        "1.png": png(1)[:30],
        "2.png": png(2, (2, 4, 3)),
        "3.png": png(3),
        "4.npy": array_bytes(np.array([None])),
    }
    batch = tar_source(tar(tmp_path / "t.tar", members), ElementReader()).read(0, 5)
    assert batch.ids.tolist() == [0, 3]
    told = {one.name: one.reason for one in batch.skipped}
    assert "of shape (2, 4, 3), and the first example is uint8 of (2, 3, 3)" in told["2"]
    assert "allow_pickle" in told["4"]
    assert "0x" not in told["1"]


def test_one_member_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.tar"
    with tarfile.open(path, "w") as archive:
        for data in (array_bytes(X[0]), array_bytes(X[1])):
            member = tarfile.TarInfo("a.npy")
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    with pytest.raises(InputError, match=r"has a\.npy twice, at bytes 0 and 1024"):
        tar_source(path, ElementReader())


def test_the_same_name_in_two_archives_is_two_examples(tmp_path: Path) -> None:
    for shard in (0, 1):
        tar(tmp_path / f"{shard}.tar", {f"{'n' * 300}.npy": array_bytes(X[shard])})
    found = tar_source(tmp_path, ElementReader())
    assert found.names(0, 2) == (f"0.tar/{'n' * 300}", f"1.tar/{'n' * 300}")
    np.testing.assert_array_equal(found.read(0, 2).x, X[:2])


@pytest.mark.parametrize("cut", [100, 1024, 1500, 3072])
def test_an_archive_that_is_cut_off_is_an_error(tmp_path: Path, cut: int) -> None:
    path = tar(tmp_path / "t.tar", {f"{k}.npy": array_bytes(X[k]) for k in range(3)})
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(InputError, match=r"t\.tar could not be read: ReadError"):
        tar_source(path, ElementReader())


def test_a_damaged_header_is_not_taken_for_the_end(tmp_path: Path) -> None:
    path = tar(tmp_path / "t.tar", {f"{k}.npy": array_bytes(X[k]) for k in range(3)})
    data = bytearray(path.read_bytes())
    data[1024 + 10] ^= 1
    path.write_bytes(data)
    with pytest.raises(InputError, match="the header at byte 1024 is damaged"):
        tar_source(path, ElementReader())


def test_what_is_no_archive_of_examples(tmp_path: Path) -> None:
    path = tar(tmp_path / "t.tar", {})
    with pytest.raises(InputError, match="holds no files"):
        tar_source(path, ElementReader())
    with tarfile.open(tmp_path / "t.tar.gz", "w:gz"):
        pass
    with pytest.raises(InputError, match=r"could not be read: ReadError.*gunzip"):
        tar_source(tmp_path / "t.tar.gz", ElementReader())
    with pytest.raises(
        InputError, match="None of the 1 candidates could be read: 0: it has no pic"
    ):
        tar_source(tar(path, {"a.txt": b"x"}), ElementReader())
    with pytest.raises(InputError, match="No such file"):
        tar_source(tmp_path / "nowhere.tar", ElementReader())
