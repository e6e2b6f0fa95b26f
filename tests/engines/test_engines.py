"""Engines by name, and the one that is this process."""

from collections.abc import Callable

import pytest

from backlight import BacklightWarning, hookimpl
from backlight.errors import HyperParameterError, UnknownNameError
from backlight_engines import ENGINES, Engine, InProcess, Processes, engines, make_engine
from tests.core.conftest import install  # noqa: F401
from tests.engines.laws import (  # noqa: F401
    test_an_error_of_the_work_ends_the_run,
    test_each_block_is_done_once,
    test_what_is_not_asked_for_is_not_done,
    test_without_blocks_nothing_starts,
)
from tests.engines.works import Unpicklable


@pytest.fixture
def engine() -> Engine:
    return InProcess()


def test_work_in_this_process_need_not_be_pickled() -> None:
    assert len(list(InProcess().run(Unpicklable(), range(2)))) == 2


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
