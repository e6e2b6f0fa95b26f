"""Blocks go out to workers and receipts come back."""

import warnings
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import final

from backlight import BacklightWarning
from backlight_engines.errors import EngineError
from backlight_engines.failure import Failure
from backlight_engines.work import Receipt, Receipts
from backlight_engines.workers import Lost, Ready, Worker, Workers

AHEAD = 2
"""Blocks that a worker has at most: the one that it does, and the next, so that it need not wait."""


def drive(workers: Workers, most: int, blocks: Iterable[int], restarts: int) -> Receipts:
    """Have workers do all blocks, and end them, also where the caller asks for no more receipts.

    Args:
        workers: none has begun.
        most: how many workers there are; fewer for fewer blocks.
        blocks: see `Engine.run`.
        restarts: how many times a block is done again since its worker died, and how many workers
            in a row may die as they start.

    Raises:
        BacklightError: the work failed.
        EngineError: more workers died.
    """
    try:
        yield from Driver(workers, most, iter(blocks), restarts).receipts()
    finally:
        workers.end()


@final
class Driver:
    """Which worker has which blocks."""

    def __init__(self, workers: Workers, most: int, blocks: Iterator[int], restarts: int) -> None:
        self._workers = workers
        self._most = most
        self._blocks = blocks
        self._restarts = restarts
        self._next: deque[int] = deque()  # one for each worker, and those that lost workers had
        self._held: dict[Worker, deque[int]] = {}  # of workers that are ready
        self._lost = 0
        self._deaths: Counter[int | None] = (
            Counter()
        )  # by block; by None of those in a row that start

    def receipts(self) -> Receipts:
        self._look_ahead()
        for _ in range(len(self._next)):
            self._workers.begin()
        if not self._next:
            return
        for worker, answer in self._workers.answers():
            if isinstance(answer, Failure):
                raise answer.error
            if isinstance(answer, Lost):
                self._replace(worker, answer)
                continue
            if isinstance(answer, Ready):
                self._held[worker] = deque()
                del self._deaths[None]
            else:
                del self._deaths[self._held[worker].popleft()]
            self._feed(worker)
            if isinstance(answer, Receipt):
                yield answer
            if not self._next and not any(self._held.values()):
                return

    def _look_ahead(self) -> None:
        self._next.extend(islice(self._blocks, max(self._most - len(self._next), 0)))

    def _feed(self, worker: Worker) -> None:
        held = self._held[worker]
        # It gets a second one only while there is one for each: the last ones are for whoever is free.
        while self._next and len(held) < (AHEAD if len(self._next) >= self._most else 1):
            block = self._next.popleft()
            held.append(block)
            worker.send(block)
            self._look_ahead()

    def _replace(self, worker: Worker, lost: Lost) -> None:
        """Give the blocks of a lost worker to those that are free, and to a new one.

        Warns:
            BacklightWarning: who was lost, and how.

        Raises:
            EngineError: too many were lost.
        """
        held = self._held.pop(worker, deque())
        block = held[0] if held else None
        self._deaths[block] += 1
        if self._deaths[block] > self._restarts:
            where = "as they started the work" if block is None else f"in block {block}"
            raise EngineError(
                f"{self._deaths[block]} workers died {where}; the last one {lost.how}. If memory ran "
                "out, take fewer workers or shorter blocks. Blocks that are done stay done."
            )
        self._lost += 1
        did = "while it had no block" if block is None else f"in block {block}, which is done again"
        told = f"A worker {lost.how} {did}. That makes {self._lost} so far."
        warnings.warn(told, BacklightWarning, stacklevel=2)
        self._next.extendleft(reversed(held))
        for other in self._held:
            self._feed(other)
        if self._next:
            self._workers.begin()
