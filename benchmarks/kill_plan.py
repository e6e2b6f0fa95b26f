"""Who is killed in runs with each engine, and how often: more than a hundred in all."""

import signal
from dataclasses import dataclass
from signal import SIGINT, SIGKILL, SIGTERM

from benchmarks.ended_runs import Victim

BLOCKS, LENGTH = 60, 16

ENGINES = {
    "in-process": "in-process",
    "processes": "processes:workers=2,restarts=100",
    "ray": "ray:workers=2,restarts=100",
}

RAY = ("raylet", "gcs_server")


@dataclass(frozen=True)
class Kill:
    """Who is sent which signal; of a worker, how many in a run."""

    engine: str
    victim: Victim
    number: signal.Signals

    @property
    def pause(self) -> float:
        """Seconds of a pass of the net: a run must not be over before Ray's end is noticed."""
        return 0.04 if self.victim in RAY else 0.002

    def __str__(self) -> str:
        return f"{self.engine}: {self.victim} {self.number.name}"


def of_drivers(engine: str, each: int) -> list[Kill]:
    ways: list[tuple[Victim, signal.Signals]] = [
        ("driver", SIGKILL),
        ("driver", SIGTERM),
        ("group", SIGINT),
    ]
    return [Kill(engine, *way) for way in ways for _ in range(each)]


PLAN = {
    "in-process": of_drivers("in-process", 8),
    "processes": of_drivers("processes", 4) + [Kill("processes", "worker", SIGKILL)] * 30,
    "ray": of_drivers("ray", 2)
    + [Kill("ray", "worker", SIGKILL)] * 20
    + [Kill("ray", "raylet", SIGKILL)] * 6
    + [Kill("ray", "gcs_server", SIGKILL)] * 6,
}
