"""Stores at URLs: what holds of a folder holds there, and a put that is torn never counts as done."""

import pickle
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import fsspec
import numpy as np
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from backlight.errors import BacklightWarning, PluginError
from backlight_datasets import BlockStore, StoreError
from tests.datasets.test_stores import ARRAYS, LOST, PLAN, written


class Tearing(MemoryFileSystem):
    """A file system with files of its own, which breaks off a put when told so."""

    protocol = "tearing"
    store: ClassVar[dict[str, Any]] = {}
    pseudo_dirs: ClassVar[list[str]] = [""]
    breaks_at: ClassVar[int | None] = None
    error: ClassVar[Exception] = OSError(5, "the line is dead")

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return str(super()._strip_protocol(path.removeprefix("tearing://")))

    def pipe_file(self, path: str, value: bytes, mode: str = "overwrite", **_: Any) -> None:
        super().pipe_file(path, value[: self.breaks_at], mode)
        if self.breaks_at is not None:
            raise self.error


@pytest.fixture
def url(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    fsspec.register_implementation("tearing", Tearing, clobber=True)
    Tearing.store.clear()
    yield "tearing://bucket/results"
    Tearing.store.clear()


def files() -> dict[str, bytes]:
    return {path.rpartition("/")[2]: one.getvalue() for path, one in Tearing.store.items()}


def test_the_bytes_are_those_of_a_folder(url: str, tmp_path: Path) -> None:
    store, local = written(url), written(tmp_path)
    assert files() == {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    store = BlockStore.open(url)
    assert store.missing() == [] and store.skipped() == LOST
    for name in ARRAYS:
        for one, other in zip(store.column(name), local.column(name), strict=True):
            np.testing.assert_array_equal(one, other)
    for name, row in store.read_row(9).items():
        np.testing.assert_array_equal(row, ARRAYS[name][9])
    assert pickle.loads(pickle.dumps(store)) == store


def test_what_is_missing_or_of_another_plan(url: str) -> None:
    with pytest.raises(StoreError, match=r"tearing://bucket/results holds no store"):
        BlockStore.open(url)
    assert written(url, blocks=[2, 0]).missing() == [1]
    with pytest.raises(StoreError, match="Block 1 is not done: there is no tearing://bucket/resul"):
        BlockStore.open(url).read(1)
    with pytest.raises(StoreError, match="begun with another plan"):
        BlockStore.begin(url, replace(PLAN, model="another"))


def test_a_block_that_is_replaced_is_read_anew(url: str) -> None:
    store = written(url)
    assert store.read(0).arrays["file"].tolist() == [0, 1, 2, 3]
    BlockStore.open(url).write(0, np.arange(4), {"other": np.ones(4)})
    assert [*store.read(0).arrays] == ["other"]


@pytest.mark.parametrize("error", [OSError(5, "the line is dead"), KeyError("the line is dead")])
@pytest.mark.parametrize("at", [0, 100, -1])
def test_a_torn_put_never_counts_as_done(
    at: int, error: Exception, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = written(url, blocks=[0, 2])
    whole = files()
    with monkeypatch.context() as patched:
        patched.setattr(Tearing, "breaks_at", at)
        patched.setattr(Tearing, "error", error)
        with pytest.raises(StoreError, match=r"Block 1 could not be written.*the line is dead"):
            written(url, blocks=[1])
    assert files().keys() == {*whole, "block-000001.npz"}
    for quick in (True, False):
        with pytest.warns(BacklightWarning, match="counts as missing"):
            assert store.missing(quick) == [1]
    with pytest.raises(StoreError, match="Run the same again"):
        store.read(1)
    assert written(url, blocks=[1]).missing() == []


def test_the_first_plan_stays(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where it is written between the look for one and the write."""
    BlockStore.begin(url, PLAN)
    monkeypatch.setattr(Tearing, "exists", lambda *_: False)
    monkeypatch.setattr(MemoryFileSystem, "_open", refusing(MemoryFileSystem._open))
    with pytest.raises(StoreError, match="begun with another plan"):
        BlockStore.begin(url, replace(PLAN, model="another"))
    assert BlockStore.open(url).plan == PLAN


def refusing(opened: Any) -> Any:
    """What object stores do by themselves: nothing is created twice."""

    def _open(system: Any, path: str, mode: str = "rb", **options: Any) -> Any:
        if "x" in mode and path in system.store:
            raise FileExistsError(path)
        return opened(system, path, mode, **options)

    return _open


def test_a_row_is_a_few_small_reads(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from fsspec.spec import AbstractBufferedFile

    fetched: list[int] = []

    class Ranged(AbstractBufferedFile):
        """A file that is fetched in ranges, as of an object store."""

        def _fetch_range(self, start: int, end: int) -> bytes:
            fetched.append(end - start)
            return bytes(Tearing.store[self.path].getbuffer()[start:end])

    names = [f"values/{k}" for k in range(3)]
    store = BlockStore.begin(url, replace(PLAN, count=64, block_length=64))
    rows = np.random.default_rng(0).normal(size=(64, 50_000)).astype(np.float32)
    store.write(0, np.arange(64), dict.fromkeys(names, rows))
    monkeypatch.setattr(
        Tearing,
        "_open",
        lambda self, path, mode, block_size, **_: Ranged(
            self, self._strip_protocol(path), mode, block_size
        ),
    )
    np.testing.assert_array_equal(store.read_row(40)["values/1"], rows[40])
    assert sum(fetched) < 0.1 * 3 * rows.nbytes
    assert len(fetched) < 20
    fetched.clear()
    store.read_row(41)
    assert len(fetched) <= 5


def test_a_file_url_is_a_folder(tmp_path: Path) -> None:
    store = BlockStore.begin(f"file://{tmp_path}/results", PLAN)
    assert store == BlockStore.open(tmp_path / "results")


def test_urls_that_cannot_be_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(StoreError, match=r"nowhere://x cannot be reached: .*nowhere"):
        BlockStore.open("nowhere://x")
    fsspec.register_implementation("lacking", "not_there.FileSystem", clobber=True)
    with pytest.raises(PluginError, match=r"lacking://x takes a package that is not installed"):
        BlockStore.open("lacking://x")
    monkeypatch.setitem(sys.modules, "fsspec.core", None)
    with pytest.raises(PluginError, match=r"s3://bucket/x is a URL.*'backlight\[remote\]'"):
        BlockStore.open("s3://bucket/x")
