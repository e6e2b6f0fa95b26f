"""Worker processes: what they keep to, what they see, and that none outlives a run."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from backlight_engines import Engine, EngineError, Processes
from backlight_engines.environment import THREADS, cores
from tests.engines.laws import (  # noqa: F401
    none_left,
    test_a_block_in_which_workers_die_ends_the_run,
    test_a_worker_that_dies_is_replaced,
    test_an_error_of_the_work_ends_the_run,
    test_each_block_is_done_once,
    test_what_is_not_asked_for_is_not_done,
    test_without_blocks_nothing_starts,
    test_work_that_workers_cannot_load,
)
from tests.engines.stopping import stopped
from tests.engines.works import Unpicklable, Writing, noted, told


@pytest.fixture
def engine() -> Engine:
    return Processes(workers=2)


def test_work_that_cannot_be_pickled(engine: Engine) -> None:
    with pytest.raises(EngineError, match=r"cannot be sent .*lambda.* Give the model as module:f"):
        engine.run(Unpicklable(), range(2))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_workers_end_with_the_driver(number: signal.Signals, tmp_path: Path) -> None:
    stopped(number, tmp_path, "processes", "workers=2")
    if number != signal.SIGKILL:  # what was being written is put away
        assert not list(tmp_path.glob(".*"))


def test_a_worker_that_ends_of_itself_before_it_starts_ends_the_run(tmp_path: Path) -> None:
    work = Writing(tmp_path, dies="start", always=True, code=3)
    with pytest.raises(EngineError, match=r"exit code 3 before it could start.*__main__"):
        list(Processes(workers=1).run(work, range(5)))
    assert noted(tmp_path)["start"] == 1


def test_each_worker_has_its_part_of_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in THREADS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    part = str(max(cores() // 2, 1))
    before = dict(os.environ)
    assert told(Processes(workers=2), 1, *THREADS) == {("7", part, part, part)}
    assert told(Processes(workers=1, threads=3), 1, *THREADS) == {("3",) * 4}
    assert dict(os.environ) == before


def test_each_worker_has_its_own_gpus(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,GPU-5,6,7,8")
    found = told(Processes(workers=2, gpus_per_worker=2), 2, "CUDA_VISIBLE_DEVICES")
    assert found == {("3,GPU-5",), ("6,7",)}
    assert told(Processes(workers=1), 1, "CUDA_VISIBLE_DEVICES") == {("3,GPU-5,6,7,8",)}
    with pytest.raises(EngineError, match=r"^3 workers with 2 GPUs each need 6; .* sees 5 "):
        Processes(workers=3, gpus_per_worker=2).run(Writing(tmp_path), range(5))


def test_without_gpus_none_is_given(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    program = tmp_path / "nvidia-smi"
    with pytest.raises(EngineError, match="sees 0"):
        Processes(gpus_per_worker=1).run(Writing(tmp_path), range(5))
    program.write_text("#!/bin/sh\necho 0\necho 1\n")
    program.chmod(0o755)
    with pytest.raises(EngineError, match="sees 2"):
        Processes(workers=3, gpus_per_worker=1).run(Writing(tmp_path), range(5))


SCRIPT = """
import multiprocessing
from backlight_engines import Processes, Receipt, Work

class Here(Work):
    def start(self):
        child = multiprocessing.get_context("fork").Process(target=int)  # as a data loader has
        child.start()
        child.join()
        return lambda block: Receipt(block, 0.0, block)

def main():
    print(sum(receipt.done for receipt in Processes(workers=1).run(Here(), range(5))))
"""


@pytest.mark.parametrize("guarded", [True, False])
def test_work_of_a_script(tmp_path: Path, guarded: bool) -> None:
    guard = 'if __name__ == "__main__":\n    main()\n'
    (tmp_path / "script.py").write_text(SCRIPT + (guard if guarded else "main()\n"))
    done = subprocess.run(
        [sys.executable, "script.py"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    if guarded:
        assert (done.stdout, done.stderr) == ("10\n", "")
    else:
        assert 'begins what it does under `if __name__ == "__main__":`' in done.stderr
        assert done.stderr.count("bootstrapping phase") == 1
