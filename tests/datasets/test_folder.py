"""Folders of pictures: everything sound is read under a number that stays, everything else is named."""

import os
import pickle
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from backlight.errors import InputError, UnknownNameError
from backlight_datasets import Batch, Subset, read_blocks
from backlight_datasets.folder import FolderSource
from backlight_loading.picture_folders import read_folder

SOUND = {
    "a/cmyk.jpg",
    "a/deep.png",
    "a/dot.png",
    "a/moving.gif",
    "a/turned.jpg",
    "b/grey.png",
    "b/palette.png",
}
"""What can be read; every other candidate is to be skipped."""

BROKEN = {
    "a/bomb.png": "exceeds limit",
    "a/cut.jpg": "truncated",
    "a/empty.png": "cannot identify",
    "b/cut.avif": "decode",
    "b/text.jpg": "cannot identify",
}


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a picture of every odd kind."""
    place = tmp_path_factory.mktemp("odd")
    a, b, _ = (place / name for name in ("a", "b", "nothing"))
    for folder in (a, b, place / "nothing"):
        folder.mkdir()
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (20, 30, 3), dtype=np.uint8)
    picture = Image.fromarray(pixels)
    picture.convert("CMYK").save(a / "cmyk.jpg")
    Image.fromarray(np.full((20, 30), 257 * 99, dtype=np.uint16)).save(a / "deep.png")
    Image.new("RGB", (1, 1), (9, 8, 7)).save(a / "dot.png")
    picture.save(a / "moving.gif", save_all=True, append_images=[picture.rotate(180)])
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter
    Image.new("RGB", (20, 30), (50, 60, 70)).save(a / "turned.jpg", exif=exif)
    whole = a / "moving.gif"
    picture.save(a / "cut.jpg", quality=95)
    (a / "cut.jpg").write_bytes((a / "cut.jpg").read_bytes()[:-400])
    (a / "empty.png").write_bytes(b"")
    header = bytearray((a / "dot.png").read_bytes())
    header[16:24] = (20_000).to_bytes(4, "big") * 2  # the width and the height that it says
    header[29:33] = crc(bytes(header[12:29]))
    (a / "bomb.png").write_bytes(header)
    Image.fromarray(pixels[..., 0]).save(b / "grey.png")
    picture.convert("P").save(b / "palette.png")
    (b / "text.jpg").write_text("no picture")
    picture.save(b / "cut.avif")
    avif = (b / "cut.avif").read_bytes()
    (b / "cut.avif").write_bytes(avif[: len(avif) - 50])
    (b / "more").mkdir()
    (b / ".hidden.png").write_bytes(whole.read_bytes())
    return place


def crc(data: bytes) -> bytes:
    return zlib.crc32(data).to_bytes(4, "big")


def test_everything_sound_is_used_and_everything_else_is_named(odd: Path) -> None:
    source = FolderSource(odd, (6, 8), "rgb")
    batch = source.read(0, len(source))
    names = source.names(0, len(source))
    assert {names[k] for k in batch.ids} == SOUND
    assert {one.name for one in batch.skipped} == set(BROKEN)
    for one in batch.skipped:
        assert BROKEN[one.name] in one.reason
        assert names[one.id] == one.name
        assert str(odd) not in one.reason
    assert [one.partition(":")[0] for one in source.left_out] == ["b/more"]
    assert source.classes == ("a", "b", "nothing")
    assert batch.x.shape == (len(SOUND), 6, 8, 3)
    assert [names[k][0] for k in batch.ids] == ["ab"[k] for k in batch.labels]
    by_name = {names[k]: batch.x[n] for n, k in enumerate(batch.ids)}
    assert (by_name["a/dot.png"] == (9, 8, 7)).all()
    assert (by_name["a/deep.png"] == 99).all()


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
        with pytest.raises(InputError, match="different candidates by numbers from 0 to 11"):
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
