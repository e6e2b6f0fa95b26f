"""Blocks by Ray: imports it when a run begins."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain, islice
from typing import final

from backlight.errors import is_real, require
from backlight_engines import Engine, EngineError, Receipts, Work
from backlight_engines.driver import drive
from backlight_engines.engine import check_at_least
from backlight_engines.worker_side import pickled


@final
@dataclass(frozen=True, kw_only=True)
class Ray(Engine):
    """Does the blocks in actors of Ray, each with the work started once.

    Every node has the same packages, and sees the data and the store under the same paths. A process that
    is connected to Ray already stays so, and its cluster is taken.

    Attributes:
        workers: how many actors, at least 1; fewer where there are fewer blocks. Where not all of them
            fit into the cluster, those that do begin, and a warning says so.
        address: of a cluster that runs: "auto" for the one of this machine, or "host:port". None starts
            one on this machine, and ends it after the run.
        cpus_per_worker: cores that Ray keeps for each, and threads of the framework, at least 1.
        gpus_per_worker: GPUs that Ray keeps for each, at least 0; 0.5 lets two share one.
        restarts: as for `Processes`.
    """

    workers: int = 2
    address: str | None = None
    cpus_per_worker: int = 1
    gpus_per_worker: float = 0.0
    restarts: int = 3

    def __post_init__(self) -> None:
        check_at_least(1, self, "workers")
        check_at_least(1, self, "cpus_per_worker")
        check_at_least(0, self, "restarts")
        gpus = self.gpus_per_worker
        fits = is_real(gpus) and gpus >= 0 and (gpus <= 1 or gpus == int(gpus))
        require(fits, self, "gpus_per_worker", "at least 0, and whole beyond 1, as Ray has it")

    def run(self, work: Work, blocks: Iterable[int]) -> Receipts:
        try:
            from ray import cloudpickle
        except ModuleNotFoundError as error:
            raise EngineError(
                "The engine ray needs Ray, here and on each node of the cluster: pip install "
                "'backlight[ray]'."
            ) from error
        # What a script or a notebook defines itself is sent along, as Ray does.
        return self._receipts(pickled(work, cloudpickle.dumps), blocks)

    def _receipts(self, sent: bytes, blocks: Iterable[int]) -> Receipts:
        from backlight_ray.actors import Actors
        from backlight_ray.cluster import Need, check_room, connected

        need = Need(self.cpus_per_worker, self.gpus_per_worker)
        blocks = iter(blocks)
        first = list(islice(blocks, 1))
        if not first:
            return  # without the seconds that a connection takes
        with connected(self.address, self.workers * self.cpus_per_worker) as own:
            check_room(need, self.workers)
            yield from drive(
                Actors(sent, need, own), self.workers, chain(first, blocks), self.restarts
            )
