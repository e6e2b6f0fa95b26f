"""Folders of pictures: everything sound is read under a number that stays, everything else is named."""

import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from backlight.errors import InputError, UnknownNameError
from backlight_datasets import Batch, Subset, read_blocks
from backlight_datasets.folder import FolderSource
from backlight_loading.picture_folders import read_folder
from tests.odd_folder import BROKEN, LEFT_OUT, SOUND, odd_folder


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a picture of every odd kind."""
    return odd_folder(tmp_path_factory.mktemp("odd"))


def test_everything_sound_is_used_and_everything_else_is_named(odd: Path) -> None:
    source = FolderSource(odd, (8, 6), "rgb")
    batch = source.read(0, len(source))
    names = source.names(0, len(source))
    assert source.classes == ("a", "b", "nothing")
    assert batch.x.shape == (len(SOUND), 8, 6, 3)
    assert [names[k] for k in batch.ids] == sorted(SOUND)
    assert [names[k][0] for k in batch.ids] == ["ab"[k] for k in batch.labels]
    for k, x in zip(batch.ids, batch.x, strict=True):
        for row, colour in zip((x[0], x[-1]), SOUND[names[k]], strict=True):
            np.testing.assert_allclose(row.astype(int), [colour] * 6, atol=3, err_msg=names[k])
    assert {one.name for one in batch.skipped} == set(BROKEN)
    for one in batch.skipped:
        assert BROKEN[one.name] in one.reason
        assert names[one.id] == one.name
        assert str(odd) not in one.reason
    told = dict(line.split(": ", 1) for line in source.left_out)
    assert set(told) == set(LEFT_OUT)
    for name, reason in LEFT_OUT.items():
        assert reason in told[name]


def test_a_hundred_megapixels_are_a_picture_like_others(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    Image.new("1", (10_000, 10_000), 1).save(tmp_path / "a" / "enormous.png", compress_level=1)
    assert (FolderSource(tmp_path, (2, 3), "grey").read(0, 1).x == 255).all()


def test_it_gives_what_the_reader_of_all_at_once_gives(odd: Path) -> None:
    whole = read_folder(odd, (6, 8), None)
    source = FolderSource(odd, (6, 8))
    batch = source.read(0, len(source))
    names = source.names(0, len(source))
    np.testing.assert_array_equal(batch.x, whole.x)
    np.testing.assert_array_equal(batch.labels, whole.labels)
    assert [names[k] for k in batch.ids] == list(whole.names)
    assert sorted([*source.left_out, *map(str, batch.skipped)]) == sorted(whole.skipped)


@pytest.mark.parametrize("length", [1, 3, 5])
def test_ids_stay_whatever_the_ranges(odd: Path, length: int) -> None:
    source = FolderSource(odd, (2, 2), "grey")
    together = source.read(0, len(source))
    parts = [batch for _, batch in read_blocks(source, length)]
    np.testing.assert_array_equal(np.concatenate([one.x for one in parts]), together.x)
    np.testing.assert_array_equal(np.concatenate([one.ids for one in parts]), together.ids)
    np.testing.assert_array_equal(np.concatenate([one.labels for one in parts]), together.labels)
    assert sum((one.skipped for one in parts), ()) == together.skipped


def test_a_subset_reads_the_same_pictures_under_numbers_of_its_own(odd: Path) -> None:
    source = FolderSource(odd, (2, 2), "rgb")
    rows = [9, 2, 3, 4, 0]
    chosen = Subset(source, rows)
    batch = chosen.read(1, 5)
    whole = source.read(0, len(source))
    place = {int(k): n for n, k in enumerate(whole.ids)}
    assert [rows[k] for k in batch.ids] == [k for k in rows[1:] if k in place]
    for k, x, label in zip(batch.ids, batch.x, batch.labels, strict=True):
        np.testing.assert_array_equal(x, whole.x[place[rows[k]]])
        assert label == whole.labels[place[rows[k]]]
    assert [(rows[one.id], one.name) for one in batch.skipped] == [
        (one.id, one.name) for k in rows[1:] for one in whole.skipped if one.id == k
    ]
    assert chosen.names(0, 2) == (*source.names(9, 10), *source.names(2, 3))
    assert chosen.fingerprint() != Subset(source, rows[::-1]).fingerprint()
    for wrong in ([0, 0], [-1], [len(source)]):
        with pytest.raises(InputError, match="different candidates by numbers from 0 to 12"):
            Subset(source, wrong)


def folder(place: Path, count: int = 6, shape: tuple[int, int] = (4, 5)) -> Path:
    rng = np.random.default_rng(1)
    for k in range(count):
        file = place / "ab"[k % 2] / f"{k:05}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, shape, dtype=np.uint8)).save(file)
    return place


def test_grey_as_long_as_all_readable_ones_are(tmp_path: Path) -> None:
    folder(tmp_path)
    assert FolderSource(tmp_path).read(0, 1).x.shape == (1, 4, 5, 1)
    broken = tmp_path / "b" / "9.jpg"
    Image.new("RGB", (90, 80)).save(broken)
    broken.write_bytes(broken.read_bytes()[:-20])
    assert FolderSource(tmp_path).read(0, 1).x.shape == (1, 4, 5, 1)
    Image.new("RGB", (5, 4)).save(broken)
    assert FolderSource(tmp_path).read(0, 1).x.shape == (1, 4, 5, 3)


def test_several_sizes_are_found_before_anything_is_done(tmp_path: Path) -> None:
    folder(tmp_path)
    Image.new("L", (7, 7)).save(tmp_path / "b" / "9.png")
    with pytest.raises(InputError, match=r"a/00000\.png is 4x5, b/9\.png 7x7 .*--size HxW"):
        FolderSource(tmp_path)
    turned = FolderSource(folder(tmp_path / "more"))
    Image.new("L", (7, 7)).save(tmp_path / "more" / "b" / "00005.png")
    with pytest.raises(InputError, match=r"a/00000\.png is 4x5, b/00005\.png 7x7"):
        turned.read(0, 6)


def test_a_pickle_ships_the_path_and_finds_the_same_pictures(tmp_path: Path) -> None:
    source = FolderSource(folder(tmp_path / "data", 200))
    shipped = pickle.dumps(source)
    assert len(shipped) < 1000
    code = (
        "import pickle, sys; source = pickle.load(sys.stdin.buffer); "
        "print(len(source), source.fingerprint(), source.read(0, 9).x.sum())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], input=shipped, capture_output=True, check=True, cwd="/"
    )
    assert done.stdout.decode().split() == [
        "200",
        source.fingerprint(),
        str(source.read(0, 9).x.sum()),
    ]
    (tmp_path / "data" / "a" / "new.png").write_bytes(b"")
    assert len(source) == 200
    with pytest.raises(InputError, match=r"numbers no longer mean the same pictures"):
        len(pickle.loads(shipped))


def test_fingerprints_tell_contents_and_not_places(tmp_path: Path) -> None:
    one, other = folder(tmp_path / "one"), folder(tmp_path / "other")
    os.utime(other / "a" / "00000.png", (1, 1))
    known = FolderSource(one).fingerprint()
    assert FolderSource(other).fingerprint() == known
    assert FolderSource(one, (2, 2)).fingerprint() != known
    assert FolderSource(one, colour="rgb").fingerprint() != known
    assert FolderSource(one, classes=("b", "a")).fingerprint() != known
    file = other / "a" / "00000.png"
    data = bytearray(file.read_bytes())
    data[-20] ^= 1
    file.write_bytes(data)
    assert FolderSource(other).fingerprint() != known
    data[-20] ^= 1
    file.write_bytes(data)
    file.rename(file.with_name("other.png"))
    assert FolderSource(other).fingerprint() != known


def test_classes_in_the_models_order(tmp_path: Path) -> None:
    folder(tmp_path)
    source = FolderSource(tmp_path, classes=("c", "b", "a"))
    assert source.read(0, 6).labels.tolist() == [2, 2, 2, 1, 1, 1]
    with pytest.raises(UnknownNameError, match="sub-folder"):
        FolderSource(tmp_path, classes=("c", "b"))


def test_nothing_readable(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    with pytest.raises(InputError, match="No picture could be read"):
        FolderSource(tmp_path)
    (tmp_path / "a" / "x.txt").write_text("x")
    with pytest.raises(InputError, match=r"the first of 1 files: a/x\.txt"):
        FolderSource(tmp_path, (2, 2), "grey")


def test_a_block_of_which_none_can_be_read_has_the_shape_of_the_others(tmp_path: Path) -> None:
    source = FolderSource(folder(tmp_path))
    for k in (0, 2):
        (tmp_path / "a" / f"{k:05}.png").unlink()
    batch = source.read(0, 2)
    assert (batch.x.shape, batch.x.dtype) == ((0, 4, 5, 1), np.dtype(np.uint8))
    assert (batch.labels.dtype, batch.ids.dtype) == (np.dtype(np.int64), np.dtype(np.int64))
    assert [one.reason for one in batch.skipped] == [
        f"[Errno 2] No such file or directory: '{k:05}.png'" for k in (0, 2)
    ]


def skipped(pairs: list[tuple[int, Batch]]) -> int:
    return sum(len(batch.skipped) for _, batch in pairs)


def test_a_limit_on_how_many_may_be_skipped(odd: Path) -> None:
    source = FolderSource(odd, (2, 2), "rgb")
    assert skipped(list(read_blocks(source, 4, most_skipped=5))) == 5
    with pytest.raises(InputError, match=r"5 candidates could not be read, and at most 4 .*bomb"):
        list(read_blocks(source, 4, most_skipped=4))
    first = source.read(0, 4).skipped
    with pytest.raises(InputError, match="at most 4"):
        list(read_blocks(source, 4, [1, 2, 3], most_skipped=4, before=first))
    assert skipped(list(read_blocks(source, 4, [1, 2, 3], most_skipped=5, before=first))) == 3
