"""Workers that are actors of Ray."""

from collections.abc import Iterator
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Any, TypeAlias, final

import ray
from ray.exceptions import NodeDiedError, OutOfMemoryError, RayActorError, WorkerCrashedError

from backlight.errors import reason
from backlight_engines import EngineError
from backlight_engines.environment import thread_variables
from backlight_engines.failure import Failure
from backlight_engines.worker_side import WorkerSide
from backlight_engines.workers import Answer, Lost, Worker, Workers
from backlight_ray.cluster import Need
from backlight_ray.watch import Watch, vitals

DEATHS = (RayActorError, NodeDiedError, OutOfMemoryError, WorkerCrashedError)


@final
class Actor(Worker):
    """An actor as the driver sees it. What it answers is put into the queue of all."""

    def __init__(self, handle: Any, heard: "SimpleQueue[Heard]") -> None:
        self.handle = (
            handle  # the methods of a `WorkerSide` have `remote` there, which types do not tell
        )
        self._heard = heard

    def send(self, block: int) -> None:
        self.hear(self.handle.do.remote(block))

    def hear(self, answer: "ray.ObjectRef[Answer]") -> None:
        answer.future().add_done_callback(lambda done: self._heard.put((self, done)))


Heard: TypeAlias = tuple[Actor, Future[Answer]] | EngineError
"""What an actor answers, or why none will any more."""


@final
class Actors(Workers):
    """
    Args:
        sent: the work.
        need: what each actor needs.
        own: whether the cluster is there for this run alone.
    """

    def __init__(self, sent: bytes, need: Need, own: bool) -> None:
        self._sent = ray.put(sent)
        self._heard: SimpleQueue[Heard] = SimpleQueue()
        self._actors: set[Actor] = set()
        self._make = ray.remote(num_cpus=need.cpus, num_gpus=need.gpus)(WorkerSide)
        # Ray itself sets OMP_NUM_THREADS. A `runtime_env` would do it for all, but in processes that are
        # begun beside those which Ray has ready.
        self._variables = thread_variables(need.cpus, 1)
        self._watch = Watch(vitals(own), self._heard.put)

    def begin(self) -> Worker:
        actor = Actor(self._make.remote(self._variables), self._heard)
        self._actors.add(actor)
        actor.hear(actor.handle.start.remote(self._sent))
        return actor

    def answers(self) -> Iterator[tuple[Worker, Answer]]:
        while True:
            heard = self._heard.get()
            if isinstance(heard, EngineError):
                raise heard
            actor, done = heard
            if actor in self._actors:  # a lost one is said to be so for each of its blocks
                yield actor, self._answer(actor, done)

    def _answer(self, actor: Actor, done: Future[Answer]) -> Answer:
        try:
            return done.result()
        except DEATHS as error:
            self._actors.remove(actor)
            ray.kill(actor.handle)  # where it cannot be reached but lives
            told = str(error).partition("\n")[0].removesuffix(".")  # and then a page of what may be
            return Lost(f"was lost by Ray ({type(error).__name__}: {told})")
        except Exception as error:
            return Failure.of(EngineError(f"Ray could not run a worker: {reason(error)}."))

    def end(self) -> None:
        self._watch.end()
        for actor in self._actors:
            ray.kill(actor.handle)
        self._actors.clear()
