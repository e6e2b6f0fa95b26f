"""What processes that were killed have left behind is found by the next one that writes there."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from backlight import partial
from backlight.partial import abandoned, hidden, home, is_hidden, started
from backlight_methods import Gradient
from tests.reference import ReferenceModel, linear


@pytest.fixture(scope="module")
def ended() -> tuple[int, int]:
    """The number of a process that has ended, and when it had started."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        number, start = process.pid, started(process.pid)
        process.communicate(b"\n")
    assert start
    return number, start


def named(target: Path, pid: int, start: int, place: str | None = None) -> Path:
    return target.with_name(f".{target.name}.{place or home()}-{pid}-{start}-0a1b2c3d.partial")


def test_names_are_hidden_and_used_once(tmp_path: Path) -> None:
    target = tmp_path / "report"
    one, other = hidden(target, "partial"), hidden(target, "partial")
    assert one != other
    assert one.parent == tmp_path
    assert one.name.startswith(".report.")
    assert is_hidden(one, target)
    assert not is_hidden(one, tmp_path / "rep")
    assert not is_hidden(target, target)


def test_long_names_stay_short_enough(tmp_path: Path) -> None:
    for name in ("n" * 250, "\N{GREEK SMALL LETTER ALPHA}" * 120):
        made = hidden(tmp_path / name, "partial")
        made.mkdir()
        assert is_hidden(made, tmp_path / name)


def test_what_is_left_of_a_process_that_ended(tmp_path: Path, ended: tuple[int, int]) -> None:
    target = tmp_path / "report"
    left = named(target, *ended)
    left.mkdir()
    named(tmp_path / "reports", *ended).mkdir()
    (tmp_path / ".report.partial").mkdir()
    assert abandoned(target, "partial") == [left]
    assert abandoned(target, "before") == []


def test_what_a_living_process_writes_is_left_alone(tmp_path: Path) -> None:
    target = tmp_path / "report"
    hidden(target, "partial").mkdir()
    assert abandoned(target, "partial") == []


def test_another_process_may_have_the_number_by_now(tmp_path: Path) -> None:
    target = tmp_path / "report"
    own = started(os.getpid())
    assert own
    left = named(target, os.getpid(), own - 1)
    left.mkdir()
    assert abandoned(target, "partial") == [left]


def test_of_another_container_the_age_tells(tmp_path: Path, ended: tuple[int, int]) -> None:
    target = tmp_path / "report"
    foreign = named(target, *ended, place="00000000")
    foreign.mkdir()
    assert abandoned(target, "partial") == []
    old = foreign.stat().st_mtime - partial.DAY - 60
    os.utime(foreign, (old, old))
    assert abandoned(target, "partial") == [foreign]


def test_where_the_system_does_not_tell_when_a_process_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "report"
    monkeypatch.setattr(partial, "started", lambda pid: 0 if partial.running(pid) else None)
    path = named(target, os.getpid(), 0)
    path.mkdir()
    assert abandoned(target, "partial") == []
    old = path.stat().st_mtime - partial.DAY - 60
    os.utime(path, (old, old))
    assert abandoned(target, "partial") == [path]


def test_saving_an_attribution_removes_what_a_killed_process_left(
    tmp_path: Path, ended: tuple[int, int]
) -> None:
    target = tmp_path / "it.npz"
    named(target, *ended).write_bytes(b"half a file")
    living = hidden(target, "partial")
    living.write_bytes(b"of another thread")
    made = Gradient()(ReferenceModel(("head", linear(np.ones((2, 2))))), np.ones((1, 2)), 0)
    made.save(target)
    assert sorted(tmp_path.iterdir()) == sorted([target, living])
