"""What every engine keeps to. The tests of each import these and have a fixture `engine`."""

import os
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from backlight import BacklightWarning
from backlight_engines import Engine, EngineError, InProcess
from tests.engines.works import RefusedError, Unloadable, Writing, noted, processes


def whole(folder: Path, blocks: range) -> None:
    """There is a file for each block, with all that is in it."""
    found = {
        path.name: path.read_bytes() for path in folder.iterdir() if path.name.startswith("block")
    }
    assert found == {f"block-{block:06d}": b"%d." % block for block in blocks}


def none_left(folder: Path, seconds: float = 10.0) -> None:
    """No process that started the work is there any more, or will be soon."""
    until = time.monotonic() + seconds
    assert processes(folder)
    while left := [one for one in processes(folder) if one != os.getpid() and lives(one)]:
        assert time.monotonic() < until, left
        time.sleep(0.02)


def lives(process: int) -> bool:
    try:
        return psutil.Process(process).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_each_block_is_done_once(engine: Engine, tmp_path: Path) -> None:
    receipts = list(engine.run(Writing(tmp_path, seconds=0.01), iter(range(40))))
    assert sorted(receipt.block for receipt in receipts) == list(range(40))
    for receipt in receipts:
        assert receipt.done == 1 - receipt.block % 2
        assert [one.id for one in receipt.skipped] == [receipt.block] * (receipt.block % 2)
        assert receipt.seconds > 0.01
    found = noted(tmp_path)
    assert found.pop("start") == len(processes(tmp_path)) <= 2
    assert set(found.values()) == {1}
    whole(tmp_path, range(40))
    none_left(tmp_path)


def test_without_blocks_nothing_starts(engine: Engine, tmp_path: Path) -> None:
    assert list(engine.run(Writing(tmp_path, raises="start"), [])) == []
    assert not noted(tmp_path)


def test_what_is_not_asked_for_is_not_done(engine: Engine, tmp_path: Path) -> None:
    asked = 0

    def blocks() -> Iterator[int]:
        nonlocal asked
        for block in range(10**9):
            asked += 1
            yield block

    run = engine.run(Writing(tmp_path), blocks())
    for _ in range(5):
        next(run)
    run.close()
    assert asked <= 5 + 2 * 3
    none_left(tmp_path)


@pytest.mark.parametrize(
    ("where", "error"),
    [("start", RefusedError), (7, ZeroDivisionError)],
)
def test_an_error_of_the_work_ends_the_run(
    engine: Engine, tmp_path: Path, where: str | int, error: type[Exception]
) -> None:
    place = "at its start" if where == "start" else "in block 7"
    with pytest.raises(RefusedError if error is RefusedError else EngineError) as caught:
        list(engine.run(Writing(tmp_path, 0.01, raises=where, error=error), range(1000)))
    if error is RefusedError:
        assert str(caught.value) == f"no {where}"
        assert caught.value.__notes__ == [f"(The work failed {place}.)"]
    else:
        assert str(caught.value) == f"The work failed {place}: {error.__name__}: no {where}."
    if engine != InProcess():
        assert 'works.py", line' in str(caught.value.__cause__)
    assert noted(tmp_path)["start"] <= 2
    assert sum(noted(tmp_path).values()) < 30
    none_left(tmp_path)


@pytest.mark.parametrize("where", ["start", 7])
def test_a_worker_that_dies_is_replaced(engine: Engine, tmp_path: Path, where: str | int) -> None:
    alone = replace(engine, workers=1)  # type: ignore[type-var]
    with pytest.warns(BacklightWarning, match=r"^A worker was .*\. That makes 1 so far\.$"):
        receipts = list(alone.run(Writing(tmp_path, dies=where), range(20)))
    assert sorted(receipt.block for receipt in receipts) == list(range(20))
    found = noted(tmp_path)
    assert found.pop("start") == 2
    assert found["7"] == (2 if where == 7 else 1)
    whole(tmp_path, range(20))
    none_left(tmp_path)


def test_a_block_in_which_workers_die_ends_the_run(engine: Engine, tmp_path: Path) -> None:
    twice = replace(engine, restarts=1)  # type: ignore[type-var]
    with (
        pytest.raises(EngineError, match=r"^2 workers died in block 5; the last one .*memory"),
        pytest.warns(BacklightWarning, match=r"in block 5, which is done again"),
    ):
        list(twice.run(Writing(tmp_path, dies=5, always=True), range(20)))
    assert noted(tmp_path)["5"] == 2
    none_left(tmp_path)


def test_work_that_workers_cannot_load(engine: Engine) -> None:
    with pytest.raises(EngineError, match=r"A worker cannot load .*missing_module.* into a module"):
        list(engine.run(Unloadable(), range(2)))
