"""Runs over a data set that are ended in the midst, and gone on with, have in the end the bytes of one
that was let be, each example once."""

import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from backlight_attribute import Attributions
from tests.attribute.runner import BLOCKS, COUNT, run
from tests.datasets.stopping import blocks, fills_the_disk, leave, stopped, tear

posix = pytest.mark.skipif(os.name != "posix", reason="processes are forked and killed")


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("undisturbed")
    run(folder)
    return folder


def same(folder: Path, undisturbed: Path) -> None:
    """Both have the same files with the same bytes, and every example once."""
    found, wanted = (
        {path.name: path.read_bytes() for path in one.iterdir()} for one in (folder, undisturbed)
    )
    assert found == wanted
    attributions = Attributions.open(folder)
    assert attributions.status(quick=False).complete
    ids, _ = attributions.column("predicted")
    skipped = [one.id for one in attributions.status().skipped]
    assert sorted([*ids.tolist(), *skipped]) == list(range(COUNT))
    assert skipped == list(range(3, COUNT, 20))


@posix
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_ends_at_random_moments(number: int, tmp_path: Path, undisturbed: Path) -> None:
    rng, ended = random.Random(1), 0
    for child, code in stopped(tmp_path, number, 6, BLOCKS, "tests.attribute.runner"):
        ended += code in (-signal.SIGKILL, 130)
        if number == signal.SIGINT:
            assert not list(tmp_path.glob(".*"))
        elif blocks(tmp_path):
            tear(tmp_path, child, rng)
    assert ended > 2
    same(tmp_path, undisturbed)


def test_a_full_disk_ends_with_a_message_and_leaves_what_is_done(
    tmp_path: Path, undisturbed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fills_the_disk(run, tmp_path, monkeypatch)
    assert len(blocks(tmp_path)) == 7 and not list(tmp_path.glob(".*"))
    run(tmp_path)
    same(tmp_path, undisturbed)


def test_what_a_worker_was_writing_as_it_died_is_not_left(
    tmp_path: Path, undisturbed: Path
) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    run(tmp_path, lambda *_: leave(tmp_path, gone.pid, b"half"))
    same(tmp_path, undisturbed)
