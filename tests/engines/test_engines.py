"""What all engines keep to: in this process, in others, on Ray."""

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from backlight import BacklightWarning, hookimpl
from backlight.errors import HyperParameterError, UnknownNameError
from backlight_engines import (
    ENGINES,
    Engine,
    EngineError,
    InProcess,
    Processes,
    engines,
    make_engine,
)
from tests.core.conftest import install  # noqa: F401
from tests.engines.works import (
    RefusedError,
    Unloadable,
    Unpicklable,
    Writing,
    noted,
    processes,
)

ALL: Mapping[str, Engine] = {"in_process": InProcess(), "processes": Processes(workers=2)}
WITH_WORKERS = [name for name in ALL if name != "in_process"]


@pytest.fixture(params=ALL)
def engine(request: pytest.FixtureRequest) -> Engine:
    return ALL[request.param]


@pytest.fixture(params=WITH_WORKERS)
def with_workers(request: pytest.FixtureRequest) -> Engine:
    return ALL[request.param]


def whole(folder: Path, blocks: range) -> None:
    """There is a file for each block with all that is in it, and nothing else."""
    found = {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "notes"}
    assert found == {f"block-{block:06d}": b"%d." % block for block in blocks}


def none_left(folder: Path) -> None:
    """No process that started the work is there any more."""
    assert processes(folder)
    assert not [one for one in processes(folder) if one != os.getpid() and psutil.pid_exists(one)]


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
    run.close()  # type: ignore[attr-defined]
    assert asked <= 5 + 2 * 3
    none_left(tmp_path)


@pytest.mark.parametrize(
    ("where", "error"),
    [("start", RefusedError), ("start", ZeroDivisionError), (7, RefusedError), (7, SystemExit)],
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
    assert caught.value.__cause__ is not None or engine == InProcess()
    assert noted(tmp_path)["start"] <= 2
    assert sum(noted(tmp_path).values()) < 30
    none_left(tmp_path)


def test_where_the_error_was_raised_is_shown(with_workers: Engine, tmp_path: Path) -> None:
    with pytest.raises(EngineError) as caught:
        list(with_workers.run(Writing(tmp_path, raises=3), range(5)))
    assert "works.py" in str(caught.value.__cause__)
    assert "ZeroDivisionError: no 3" in str(caught.value.__cause__)


@pytest.mark.parametrize("where", ["start", 0, 7])
def test_a_worker_that_dies_is_replaced(
    with_workers: Engine, tmp_path: Path, where: str | int
) -> None:
    alone = replace(with_workers, workers=1)  # type: ignore[type-var]
    receipts = list(alone.run(Writing(tmp_path, dies=where), range(20)))
    assert sorted(receipt.block for receipt in receipts) == list(range(20))
    found = noted(tmp_path)
    assert found.pop("start") == 2
    assert found["7"] == (2 if where == 7 else 1)
    whole(tmp_path, range(20))
    none_left(tmp_path)


def test_a_block_in_which_workers_die_ends_the_run(with_workers: Engine, tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=r"^4 workers died in block 5; the last one .*memory"):
        list(with_workers.run(Writing(tmp_path, dies=5, always=True), range(20)))
    assert noted(tmp_path)["5"] == 4
    none_left(tmp_path)


def test_work_that_cannot_be_pickled(with_workers: Engine) -> None:
    with pytest.raises(EngineError, match=r"cannot be sent .*lambda.* Give the model as module:f"):
        list(with_workers.run(Unpicklable(), range(2)))


def test_work_in_this_process_need_not_be_pickled() -> None:
    assert len(list(InProcess().run(Unpicklable(), range(2)))) == 2


def test_work_that_workers_cannot_load(with_workers: Engine) -> None:
    with pytest.raises(EngineError, match=r"A worker cannot load .*missing_module.* into a module"):
        list(with_workers.run(Unloadable(), range(2)))


def test_engines_are_found_by_name() -> None:
    found = engines()
    assert dict(ENGINES).items() <= dict(found).items()
    assert list(found) == sorted(found)
    assert make_engine("In-Process", {}) == InProcess()
    assert make_engine("processes", {"workers": 3}) == Processes(workers=3)
    assert make_engine(Processes(workers=4), {}) == Processes(workers=4)
    with pytest.raises(UnknownNameError, match=r"engine 'procesess'. Nearest: processes"):
        make_engine("procesess", {})


def test_engines_of_other_packages_are_found(install: Callable) -> None:  # noqa: F811
    @hookimpl
    def backlight_engines() -> dict:
        return {"Slurm-Jobs": InProcess}

    install(own="backlight_engines.plugin", other={"backlight_engines": backlight_engines})
    assert list(engines()) == sorted([*ENGINES, "slurm_jobs"])
    assert make_engine("slurm jobs", {}) == InProcess()


def test_what_is_no_engine_is_named(install: Callable) -> None:  # noqa: F811
    @hookimpl
    def backlight_engines() -> dict:
        return {"wrong": int}

    install(own="backlight_engines.plugin", other={"backlight_engines": backlight_engines})
    with pytest.warns(BacklightWarning, match=r"int, neither a subclass of backlight_engines\.Eng"):
        assert "wrong" not in engines()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"workers": 0}, "Processes.workers must be a whole number of at least 1, got 0"),
        ({"workers": 1.5}, "workers must be"),
        ({"threads": 0}, "threads must be"),
        ({"restarts": -1}, "restarts must be"),
        ({"gpus_per_worker": True}, "gpus_per_worker must be"),
    ],
)
def test_options_out_of_range(options: dict[str, object], said: str) -> None:
    with pytest.raises(HyperParameterError, match=said):
        make_engine("processes", options)
