"""Workers that are processes of this machine, each at the other end of a pipe."""

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection, wait
from multiprocessing.resource_tracker import ensure_running
from typing import final

from backlight.termination import terminable
from backlight_engines.environment import environment
from backlight_engines.errors import EngineError
from backlight_engines.failure import Failure
from backlight_engines.worker_side import WorkerSide
from backlight_engines.workers import Answer, Lost, Worker, Workers

SPAWN = multiprocessing.get_context(
    "spawn"
)  # frameworks have threads, which a fork does not take along

GRACE = 5.0
"""Seconds in which a worker that is told to end may put things in order."""

LOOK = 1.0
"""Seconds after which it is looked whether silent workers live: what they have begun can hold their end
of the pipe open."""


@final
class WorkerProcess(Worker):
    """A worker's process and the driver's end of its pipe."""

    def __init__(self, sent: bytes, place: int) -> None:
        self.place = place
        self.owing = 1
        """How many answers are to come."""
        self._starting = True
        self.connection, theirs = SPAWN.Pipe()
        # Python ends daemons with the driver. They begin no processes themselves, but see `serve`.
        self.process = SPAWN.Process(target=serve, args=(theirs, sent), daemon=True)
        # Ctrl-C is for all processes of a terminal: this one hears of it when it can end without a word.
        ensure_running()  # which would make it hear at once
        with theirs, held(signal.SIGINT):
            self.process.start()

    def send(self, block: int) -> None:
        self.owing += 1
        with suppress(ConnectionError):  # it has died
            self.connection.send(block)

    def answer(self) -> Answer:
        """Its next answer, where there is one or it has died."""
        if self.connection.poll():
            with suppress(EOFError, ConnectionError):
                answer: Answer = self.connection.recv()
                self.owing -= 1
                self._starting = False
                return answer
        return self._ended()

    def _ended(self) -> Answer:
        self.process.join(GRACE)  # its end of the pipe closes a little before
        self.process.kill()
        self.process.join()
        code = self.process.exitcode or 0
        if self._starting and code >= 0:  # of itself: the next one would do the same
            return Failure.of(
                EngineError(
                    f"A worker ended with exit code {code} before it could start; it wrote why. "
                    'A script that is run begins what it does under `if __name__ == "__main__":`, as '
                    "workers import it."
                )
            )
        how = f"ended with exit code {code}"
        if code < 0:
            how = f"was ended by signal {-code} ({signal.strsignal(-code)})"
        return Lost(how)

    def close(self) -> None:
        """End the process, if it has not ended, and let go of it."""
        self.connection.close()
        self.process.kill()
        self.process.join()
        self.process.close()


@final
class WorkerProcesses(Workers):
    """
    Args:
        sent: the work.
        environments: what differs in the environment of each worker, one for each that there can be.
    """

    def __init__(self, sent: bytes, environments: Sequence[Mapping[str, str]]) -> None:
        self._sent = sent
        self._environments = environments
        self._workers: dict[int, WorkerProcess] = {}

    def begin(self) -> Worker:
        place = min(set(range(len(self._environments))) - set(self._workers))
        with environment(self._environments[place]):
            self._workers[place] = WorkerProcess(self._sent, place)
        return self._workers[place]

    def answers(self) -> Iterator[tuple[Worker, Answer]]:
        while True:
            at = {worker.connection: worker for worker in self._workers.values()}
            ready = set(wait(list(at), LOOK))
            heard = [worker for connection, worker in at.items() if connection in ready]
            for worker in heard or self._dead():
                answer = worker.answer()
                if isinstance(answer, Lost):
                    worker.close()
                    del self._workers[worker.place]
                yield worker, answer

    def _dead(self) -> list[WorkerProcess]:
        return [worker for worker in self._workers.values() if not worker.process.is_alive()]

    def end(self) -> None:
        """Workers that do something have a few seconds; a second interrupt takes these from them."""
        for worker in self._workers.values():
            worker.connection.close()
            if worker.owing:
                worker.process.terminate()
        until = time.monotonic() + GRACE
        try:
            for worker in self._workers.values():
                worker.process.join(max(until - time.monotonic(), 0.0))
        finally:
            for worker in self._workers.values():
                worker.close()
            self._workers.clear()


def serve(connection: Connection, sent: bytes) -> None:
    """What a worker's process runs, until the driver closes the pipe, interrupts it, or is gone."""
    multiprocessing.current_process().daemon = False  # a data loader may have processes of its own
    with held(
        signal.SIGINT, signal.SIGTERM
    ):  # a signal that comes to another thread wakes no sleeper
        threading.Thread(target=end_with_driver, daemon=True).start()
    with suppress(KeyboardInterrupt, EOFError, ConnectionError), terminable():
        hear(signal.SIGINT)
        worker = WorkerSide({})  # the process has its environment from its first moment
        connection.send(worker.start(sent))
        while True:
            connection.send(worker.do(connection.recv()))


def end_with_driver() -> None:
    """For when the driver is killed while this process is in the midst of a block."""
    driver = multiprocessing.parent_process()
    if driver is not None:
        driver.join()
        os._exit(1)


@contextmanager
def held(*numbers: int) -> Iterator[None]:
    """Signals for this thread come afterwards; processes and threads begun inside are deaf to them."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def hear(number: int) -> None:
    """Be deaf to a signal no longer."""
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {number})
