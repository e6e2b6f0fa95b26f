"""Runs that end in the midst: by kill -9, on a full disk, at Ctrl-C. What is done stays, and what goes on
with it ends in the same bytes as a run that was let be."""

import os
import random
import signal
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from backlight_datasets import BlockStore
from tests.datasets.stopping import blocks, fills_the_disk, stopped, tear
from tests.datasets.writer import PLAN, SOURCE, X, run

posix = pytest.mark.skipif(os.name != "posix", reason="processes are forked and killed")


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("undisturbed")
    run(folder)
    return folder


def same(folder: Path, undisturbed: Path) -> None:
    """Both folders hold the same files with the same bytes, and every candidate once."""
    found, wanted = (
        {path.name: path.read_bytes() for path in one.iterdir()} for one in (folder, undisturbed)
    )
    assert found.keys() == wanted.keys()
    assert found == wanted
    store = BlockStore.open(folder)
    assert store.missing() == []
    ids, scores = store.column("score")
    skipped = [one.id for one in store.skipped()]
    assert sorted([*ids.tolist(), *skipped]) == list(range(len(SOURCE)))
    assert skipped == list(range(3, 200, 17))
    np.testing.assert_array_equal(scores, X[ids].sum(axis=(1, 2), dtype=np.float64))


@posix
def test_twenty_kills_with_torn_files(tmp_path: Path, undisturbed: Path) -> None:
    rng = random.Random(0)
    kills, counts = 0, []
    for child, ended in stopped(tmp_path, signal.SIGKILL, 20, PLAN.blocks):
        kills += ended == -signal.SIGKILL
        done = blocks(tmp_path)
        counts.append(len(done))
        if not done:
            continue
        tear(tmp_path, child, rng)
    assert kills > 10
    assert max(counts) > 20
    same(tmp_path, undisturbed)


@posix
def test_interrupts_leave_no_debris(tmp_path: Path, undisturbed: Path) -> None:
    interrupts = 0
    for _, ended in stopped(tmp_path, signal.SIGINT, 20, PLAN.blocks):
        interrupts += ended == 130
        assert not list(tmp_path.glob(".*"))
    assert interrupts > 10
    same(tmp_path, undisturbed)


def test_a_full_disk_ends_with_a_message_and_leaves_what_is_done(
    tmp_path: Path, undisturbed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fills_the_disk(run, tmp_path, monkeypatch)
    assert len(list(tmp_path.iterdir())) == 1 + 7
    run(tmp_path)
    same(tmp_path, undisturbed)


@posix
def test_a_file_that_may_not_grow(tmp_path: Path) -> None:
    code = """
import resource, sys
from pathlib import Path
resource.setrlimit(resource.RLIMIT_FSIZE, (4000, 4000))
from backlight_datasets import StoreError
from tests.datasets.writer import run
try:
    run(Path(sys.argv[1]))
except StoreError as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code, str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
    )
    assert done.stdout.startswith(f"Block 0 could not be written into {tmp_path}: File too large.")
    assert done.stderr == ""
    assert [path.name for path in tmp_path.iterdir()] == ["plan.json"]


@posix
@pytest.mark.parametrize("step", ["write", "sync", "place"])
def test_an_interrupt_at_each_step(
    tmp_path: Path, undisturbed: Path, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    place = {
        "write": "backlight_datasets.store.write_block",
        "sync": "os.fsync",
        "place": "backlight_datasets.storage.local.replace",
    }
    store = BlockStore.begin(tmp_path, PLAN)
    with monkeypatch.context() as patched:
        patched.setattr(place[step], interrupted)
        with pytest.raises(KeyboardInterrupt):
            store.write(0, np.arange(3), {})
    assert [path.name for path in tmp_path.iterdir()] == ["plan.json"]
    run(tmp_path)
    same(tmp_path, undisturbed)


@posix
def test_numbers_and_then_names_reach_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a loss of power leaves depends on this order."""
    steps = []
    sync, put = os.fsync, Path.replace

    def syncing(number: int) -> None:
        steps.append("folder" if stat.S_ISDIR(os.fstat(number).st_mode) else "file")
        sync(number)

    def putting(path: Path, target: Path) -> Path:
        steps.append("place")
        return put(path, target)

    store = BlockStore.begin(tmp_path, PLAN)
    monkeypatch.setattr(os, "fsync", syncing)
    monkeypatch.setattr(Path, "replace", putting)
    store.write(0, np.arange(3), {})
    assert steps == ["file", "place", "folder"]


@posix
def test_two_runs_at_once(tmp_path: Path, undisturbed: Path) -> None:
    command = [sys.executable, "-m", "tests.datasets.writer", str(tmp_path), "0"]
    root = Path(__file__).parents[2]
    both = [subprocess.Popen(command, stdin=subprocess.DEVNULL, cwd=root) for _ in range(2)]
    assert [one.wait() for one in both] == [0, 0]
    same(tmp_path, undisturbed)
