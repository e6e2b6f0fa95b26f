"""Stores: what is written is read again, to the bit where it says so; what is damaged is named."""

import json
import pickle
import re
import signal
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from backlight.errors import BacklightWarning, InputError, UnknownNameError
from backlight.termination import terminable
from backlight_datasets import BlockStore, Plan, Skipped, StoreError

PLAN = Plan(count=11, block_length=4, techniques=("Gradient()",))
RNG = np.random.default_rng(0)
ARRAYS: dict[str, NDArray[Any]] = {
    "values/gradient/predicted": RNG.normal(size=(11, 3, 2)).astype(np.float32),
    "score": RNG.normal(size=11),
    "flat": RNG.normal(size=11).astype(np.float32),
    "file": np.arange(11),
    "label": np.array([f"class {k}" for k in range(11)]),
}
LOST = (Skipped(5, "b/5.png", "truncated"), Skipped(8, "c/\udce9.png", "no picture"))


def written(folder: Path | str, plan: Plan = PLAN, blocks: Iterable[int] = range(3)) -> BlockStore:
    store = BlockStore.begin(folder, plan)
    for block in blocks:
        start, stop = plan.rows(block)
        skipped = [one for one in LOST if start <= one.id < stop]
        ids = np.setdiff1d(np.arange(start, stop), [one.id for one in skipped])
        store.write(block, ids, {name: array[ids] for name, array in ARRAYS.items()}, skipped)
    return store


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    written(tmp_path)
    store = BlockStore.open(tmp_path)
    assert store.missing() == []
    kept = [k for k in range(11) if k not in (5, 8)]
    assert np.concatenate([store.read(k).ids for k in range(3)]).tolist() == kept
    for name, array in ARRAYS.items():
        ids, rows = store.column(name)
        assert ids.tolist() == kept
        assert rows.dtype == array.dtype
        np.testing.assert_array_equal(rows, array[kept])
        for block in range(3):
            found = store.read(block)
            np.testing.assert_array_equal(found.arrays[name], array[found.ids])
        for k in kept:
            np.testing.assert_array_equal(store.read_row(k)[name], array[k])
            assert store.read_row(k)[name].dtype.kind == array.dtype.kind
    assert store.skipped() == LOST
    assert store.columns().keys() == ARRAYS.keys()
    assert store.columns()["values/gradient/predicted"].shape == (3, 2)
    with pytest.raises(InputError, match=r"number 5, which was skipped: b/5\.png: truncated"):
        store.read_row(5)
    with pytest.raises(InputError, match="There are 11 candidates"):
        store.read_row(11)
    with pytest.raises(UnknownNameError, match="Nearest: score"):
        store.column("scores")
    assert pickle.loads(pickle.dumps(store)) == store


def test_a_store_that_is_half_written_opens_and_says_what_is_missing(tmp_path: Path) -> None:
    written(tmp_path, blocks=[2, 0])
    store = BlockStore.open(tmp_path)
    assert store.missing() == [1]
    assert store.column("file")[0].tolist() == [0, 1, 2, 3, 9, 10]
    with pytest.raises(StoreError, match="Block 1 is not done"):
        store.read(1)
    with pytest.raises(StoreError, match="Block 1 is not done"):
        store.read_row(6)
    assert written(tmp_path, blocks=[1]).missing() == []
    assert BlockStore.begin(tmp_path / "new", PLAN).missing() == [0, 1, 2]


def test_numpy_alone_reads_a_block(tmp_path: Path) -> None:
    written(tmp_path, replace(PLAN, dtype="float16"))
    code = """
import json, sys, numpy
block = numpy.load("block-000001.npz")
about = json.loads(str(block["about"]))
name = "values/gradient/predicted"
values = block[name].astype("f4") * block["scale/" + name][:, None, None]
numpy.save("values.npy", values)
print(about["block"], about["scaled"], about["skipped"], block["ids"], "backlight" in sys.modules)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert done.stdout == (
        "1 ['values/gradient/predicted'] [[5, 'b/5.png', 'truncated']] [4 6 7] False\n"
    )
    stored = BlockStore.open(tmp_path).read(1).arrays["values/gradient/predicted"]
    np.testing.assert_array_equal(np.load(tmp_path / "values.npy"), stored)


def test_half_the_room_with_a_scale_for_each_example(tmp_path: Path) -> None:
    sizes = 10.0 ** np.array([[-44], [-38], [-20], [-6], [0], [6], [20], [38]])
    values = (RNG.normal(size=(8, 500)).clip(-3, 3) * sizes).astype(np.float32)
    values[3, :7] *= np.float32(10.0) ** -np.arange(7)
    odd = np.zeros((4, 500), dtype=np.float32)
    odd[1, :3] = np.nan, np.inf, 2
    odd[2, :2] = np.finfo(np.float32).max, -np.inf
    odd[3, 0] = np.finfo(np.float32).smallest_subnormal
    given = np.concatenate([values, odd])
    plan = Plan(count=12, block_length=12, dtype="float16")
    store = BlockStore.begin(tmp_path, plan)
    store.write(0, np.arange(12), {"values": given, "score": given[:, 0].astype(np.float64)})
    assert store.path(0).stat().st_size < 0.6 * given.nbytes
    found = store.read(0).arrays
    assert [found[name].dtype for name in ("values", "score")] == [np.float32, np.float64]
    np.testing.assert_array_equal(found["score"], given[:, 0].astype(np.float64))
    largest = np.abs(np.where(np.isfinite(given), given, 0)).max(axis=1, keepdims=True)
    tolerance = 2.0**-11 * np.abs(given) + 2.0**-39 * largest + 2.0**-150
    finite = np.isfinite(given)
    error = np.abs(found["values"][finite].astype(np.float64) - given[finite].astype(np.float64))
    assert (error <= tolerance[finite]).all()
    np.testing.assert_array_equal(found["values"][9, :3], [np.nan, np.inf, 2])
    assert found["values"][10, 1] == -np.inf
    assert (found["values"][8] == 0).all()


def flipped(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 16
    path.write_bytes(data)


def test_a_flipped_bit_in_many_bytes_is_never_taken_for_a_number(tmp_path: Path) -> None:
    store = written(tmp_path)
    path = store.path(1)
    whole = path.read_bytes()
    known = store.read(1)
    harmless = 0
    for at in range(0, len(whole), 31):
        flipped(path, at)
        if "block-000001.npz" in store.damaged():
            with pytest.warns(BacklightWarning, match=r"block-000001\.npz .* counts as missing"):
                assert store.missing() == [1]
            with pytest.raises(StoreError, match="Run the same again"):
                store.read(1)
        else:  # padding, dates, rights: the numbers are the same
            harmless += 1
            found = store.read(1)
            assert found.ids.tolist() == known.ids.tolist()
            for name, array in known.arrays.items():
                np.testing.assert_array_equal(found.arrays[name], array)
        path.write_bytes(whole)
    assert harmless < len(whole) / 31 / 3


def test_what_a_quick_look_does_not_see(tmp_path: Path) -> None:
    store = BlockStore.begin(tmp_path, Plan(count=1, block_length=1))
    store.write(0, np.arange(1), {"values": np.zeros((1, 50_000))})
    flipped(store.path(0), 200_000)
    assert store.missing(quick=True) == []
    with pytest.warns(BacklightWarning, match=r"values\.npy is not what its checksum says"):
        assert store.missing() == [0]
    with pytest.raises(StoreError, match="Bad CRC-32"):
        store.read(0)
    with pytest.raises(StoreError, match="Bad CRC-32"):
        store.column("values")


def test_what_follows_the_archive_is_damage(tmp_path: Path) -> None:
    """NumPy reads such a file, but it is not the one that was written."""
    store = written(tmp_path)
    with store.path(2).open("ab") as file:
        file.write(b"more")
    with pytest.warns(BacklightWarning, match=r"block-000002\.npz is damaged: something follows"):
        assert store.missing() == [2]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_who_asks_for_an_end_in_the_midst_of_a_block_has_it_behind_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    """As if it came within a member, in the midst of which Python cannot close an archive."""
    write_array = np.lib.format.write_array

    def ended(*args: Any, **kwargs: Any) -> None:
        signal.raise_signal(number)
        write_array(*args, **kwargs)

    monkeypatch.setattr(np.lib.format, "write_array", ended)
    store = BlockStore.begin(tmp_path, PLAN)
    rows = {name: array[:4] for name, array in ARRAYS.items()}
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    with terminable(), pytest.raises(KeyboardInterrupt):
        store.write(0, np.arange(4), rows)
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before
    assert store.missing() == [1, 2]
    np.testing.assert_array_equal(store.read(0).arrays["file"], rows["file"])


@pytest.mark.parametrize("length", [0, 10, 500, -1])
def test_files_that_are_cut_off_are_found_quickly(tmp_path: Path, length: int) -> None:
    store = written(tmp_path)
    path = store.path(2)
    path.write_bytes(path.read_bytes()[:length])
    assert list(store.damaged(quick=True)) == ["block-000002.npz"]
    with pytest.warns(BacklightWarning, match=r"block-000002\.npz"):
        assert store.missing(quick=True) == [2]
    assert written(tmp_path, blocks=[2]).missing() == []


def test_blocks_of_another_plan_or_place_are_named(tmp_path: Path) -> None:
    store = written(tmp_path / "store")
    other = written(tmp_path / "other", replace(PLAN, techniques=("LRP()",)))
    other.path(0).replace(store.path(0))
    other.path(1).replace(store.path(3))
    store.path(1).replace(store.path(2))
    found = store.damaged(quick=True)
    assert set(found) == {f"block-00000{k}.npz" for k in (0, 2, 3)}
    assert re.search(
        f"plan {other.plan.digest[:12]} .* plan {PLAN.digest[:12]}", found["block-000000.npz"]
    )
    assert "block 1; format 1, plan" in found["block-000002.npz"]
    with pytest.warns(BacklightWarning, match="counts as missing"):
        assert store.missing() == [0, 1, 2]
    (tmp_path / "store" / "notes.txt").write_text("left alone")
    assert set(store.damaged()) == set(found)


def test_every_candidate_is_in_one_place(tmp_path: Path) -> None:
    store = BlockStore.begin(tmp_path, PLAN)
    for ids, skipped in (
        ([4, 5, 6], []),
        ([4, 5, 6, 7, 8], []),
        ([4, 6, 5, 7], []),
        ([4, 4, 5, 6, 7], []),
        ([4, 5, 6, 7], [LOST[0]]),
        ([4, 5, 6], [LOST[1]]),
    ):
        with pytest.raises(InputError, match="Block 1 is of the candidates 4 to 7; each must be"):
            store.write(1, np.array(ids), {}, skipped)
    with pytest.raises(InputError, match="there is no block 3"):
        store.write(3, np.array([12]), {})
    assert store.missing() == [0, 1, 2]


def test_arrays_that_cannot_be_stored(tmp_path: Path) -> None:
    store = BlockStore.begin(tmp_path, PLAN)
    ids = np.arange(4)
    for name in ("", "ids", "about", "scale/x", "x.npy"):
        with pytest.raises(InputError, match="cannot be called"):
            store.write(0, ids, {name: np.zeros(4)})
    with pytest.raises(
        InputError, match=r"must have a row for each of the 4 ids, got shape \(3,\)"
    ):
        store.write(0, ids, {"x": np.zeros(3)})
    with pytest.raises(InputError, match="dtype object"):
        store.write(0, ids, {"x": np.array([None] * 4)})
    assert [path.name for path in tmp_path.iterdir()] == ["plan.json"]


def test_a_block_of_which_nothing_could_be_read(tmp_path: Path) -> None:
    store = BlockStore.begin(tmp_path, PLAN)
    lost = [Skipped(k, str(k), "gone") for k in range(4)]
    store.write(0, np.array([], dtype=int), {}, lost)
    assert store.missing() == [1, 2]
    assert store.skipped() == tuple(lost)
    assert store.read(0).arrays == {}
    assert json.loads(str(np.load(store.path(0))["about"]))["arrays"] == []


def test_a_block_that_was_replaced_since_it_was_looked_at_is_read_anew(tmp_path: Path) -> None:
    store = BlockStore.begin(tmp_path, Plan(count=2, block_length=2))
    store.write(0, np.arange(2), {"a": np.zeros((2, 3))})
    assert store.column("a")[1].shape == (2, 3)
    store.write(0, np.arange(2), {"a": np.ones((2, 5)), "b": np.zeros(2)})
    assert store.column("a")[1].tolist() == np.ones((2, 5)).tolist()
    assert [*store.columns()] == ["a", "b"]
    store.path(0).write_bytes(store.path(0).read_bytes()[:-20])
    assert [*store.damaged()] == ["block-000000.npz"]
