"""Blocks in several processes of this machine."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import final

from backlight_engines.driver import drive
from backlight_engines.engine import Engine, check_at_least
from backlight_engines.environment import GPUS, thread_variables, visible_gpus
from backlight_engines.errors import EngineError
from backlight_engines.work import Receipts, Work
from backlight_engines.worker_processes import WorkerProcesses
from backlight_engines.worker_side import pickled


@final
@dataclass(frozen=True, kw_only=True)
class Processes(Engine):
    """Does the blocks in processes that are spawned, each with the work started once.

    What calls `run` in a script that is run is under `if __name__ == "__main__":`, as for
    `multiprocessing`. Workers end with the driver, whatever ends it.

    Attributes:
        workers: how many processes, at least 1; fewer where there are fewer blocks.
        threads: that the framework takes in each of them, at least 1. By default its part of the cores,
            unless the environment says otherwise (OMP_NUM_THREADS and such).
        gpus_per_worker: NVIDIA GPUs that each worker sees, and no other does. With 0 all see all.
        restarts: how many times a block is done again since its worker died, and how many workers in
            a row may die as they start, at least 0.
    """

    workers: int = 2
    threads: int | None = None
    gpus_per_worker: int = 0
    restarts: int = 3

    def __post_init__(self) -> None:
        check_at_least(1, self, "workers")
        check_at_least(0, self, "gpus_per_worker")
        check_at_least(0, self, "restarts")
        if self.threads is not None:
            check_at_least(1, self, "threads")

    def run(self, work: Work, blocks: Iterable[int]) -> Receipts:
        threads = thread_variables(self.threads, self.workers)
        environments = [threads | gpus for gpus in self._gpu_variables()]
        workers = WorkerProcesses(pickled(work), environments)
        return drive(workers, self.workers, blocks, self.restarts)

    def _gpu_variables(self) -> list[dict[str, str]]:
        """For each worker."""
        each = self.gpus_per_worker
        if not each:
            return [{} for _ in range(self.workers)]
        found = visible_gpus()
        if len(found) < each * self.workers:
            raise EngineError(
                f"{self.workers} workers with {each} GPUs each need {each * self.workers}; this process "
                f"sees {len(found)} (nvidia-smi, {GPUS}). Take fewer."
            )
        starts = range(0, each * self.workers, each)
        return [{GPUS: ",".join(found[start : start + each])} for start in starts]
