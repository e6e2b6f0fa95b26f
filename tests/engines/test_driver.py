"""Which worker gets which block, played with workers that are none."""

import itertools
import random
import tracemalloc
import warnings
from collections import deque
from collections.abc import Iterator

import pytest

from backlight_engines import EngineError, Receipt
from backlight_engines.driver import AHEAD, drive
from backlight_engines.workers import Answer, Lost, Ready, Worker, Workers

pytestmark = pytest.mark.filterwarnings("ignore:A worker was shot:backlight.BacklightWarning")


class Player(Worker):
    def __init__(self) -> None:
        self.ready = False
        self.sent = 0
        self.blocks: deque[int] = deque()

    def send(self, block: int) -> None:
        self.sent += 1
        self.blocks.append(block)
        assert len(self.blocks) <= AHEAD


class Players(Workers):
    """Answer in random order once all are ready; a part `deadly` of answers is that a worker was lost.

    Attributes:
        slow: how many workers never become ready.
    """

    def __init__(self, seed: int = 0, deadly: float = 0.0, slow: int = 0) -> None:
        self.random = random.Random(seed)
        self.deadly = deadly
        self.players: list[Player] = []
        self.slow = [Player() for _ in range(slow)]
        self.begun = self.lost = 0
        self.ended = False

    def begin(self) -> Worker:
        self.begun += 1
        if self.slow:
            return self.slow.pop()
        self.players.append(Player())
        return self.players[-1]

    def answers(self) -> Iterator[tuple[Worker, Answer]]:
        while True:
            able = [one for one in self.players if not one.ready]
            able = able or [one for one in self.players if one.blocks]
            player = self.random.choice(able)
            if self.random.random() < self.deadly:
                self.lost += 1
                self.players.remove(player)
                yield player, Lost("was shot")
            elif not player.ready:
                player.ready = True
                yield player, Ready()
            else:
                yield player, Receipt(player.blocks.popleft(), 0.0, 1)

    def end(self) -> None:
        self.ended = True


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("deadly", [0.0, 0.2])
@pytest.mark.parametrize(("most", "count"), [(1, 5), (3, 2), (3, 40), (8, 9)])
def test_each_block_has_one_receipt(seed: int, deadly: float, most: int, count: int) -> None:
    players = Players(seed, deadly)
    receipts = list(drive(players, most, iter(range(count)), restarts=1000))
    assert sorted(receipt.block for receipt in receipts) == list(range(count))
    assert players.begun <= min(most, count) + players.lost
    assert players.lost > 0 or not deadly or count < 10
    assert players.ended


def test_without_blocks_no_worker_begins() -> None:
    players = Players()
    assert list(drive(players, 3, iter([]), restarts=0)) == []
    assert players.begun == 0


def test_the_run_does_not_wait_for_workers_that_never_start() -> None:
    players = Players(slow=2)
    assert len(list(drive(players, 3, range(10), restarts=0))) == 10


@pytest.mark.parametrize("blocks", [4, 5, 7, 8])
def test_the_last_blocks_are_for_whoever_is_free(blocks: int) -> None:
    """None is given two blocks where another has none then."""
    players = Players()
    run = drive(players, 4, range(blocks), restarts=0)
    next(run)
    assert all(one.sent for one in players.players)
    run.close()


def test_a_second_block_is_there_before_the_first_is_done() -> None:
    players = Players()
    run = drive(players, 2, itertools.count(), restarts=0)
    next(run)
    ready = [one for one in players.players if one.ready]
    assert {len(one.blocks) for one in ready} == {AHEAD}
    run.close()
    assert players.ended


def test_blocks_are_asked_for_as_they_are_needed() -> None:
    asked = 0

    def blocks() -> Iterator[int]:
        nonlocal asked
        while True:
            asked += 1
            yield asked

    run = drive(Players(), 5, blocks(), restarts=0)
    for done in range(1, 200):
        next(run)
        assert asked <= done + 5 * (1 + AHEAD)
    run.close()


def test_memory_is_flat() -> None:
    run = drive(Players(deadly=0.001), 10, itertools.count(), restarts=1000)
    for _ in itertools.islice(run, 1000):
        pass
    tracemalloc.start()
    try:
        for _ in itertools.islice(run, 30_000):
            pass
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
        run.close()
    assert kept < 100_000


class Deadly(Players):
    """Workers of which each dies in one block, or as it starts."""

    def __init__(self, block: int | None) -> None:
        super().__init__()
        self.block = block

    def answers(self) -> Iterator[tuple[Worker, Answer]]:
        for player, answer in super().answers():
            at = answer.block if isinstance(answer, Receipt) else None
            if at == self.block:
                self.lost += 1
                self.players.remove(player)  # type: ignore[arg-type]
                yield player, Lost("was shot")
            else:
                yield player, answer


@pytest.mark.parametrize("restarts", [0, 3])
@pytest.mark.parametrize(
    ("block", "where"), [(7, "in block 7"), (None, "as they started the work")]
)
def test_where_workers_die_again_and_again_the_run_ends(
    restarts: int, block: int | None, where: str
) -> None:
    players = Deadly(block)
    with pytest.raises(EngineError) as caught, warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        list(drive(players, 2, range(20), restarts))
    assert str(caught.value).startswith(
        f"{restarts + 1} workers died {where}; the last one was shot. If memory ran out"
    )
    assert players.lost == restarts + 1
    assert players.ended
    did = "while it had no block" if block is None else "in block 7, which is done again"
    assert [str(one.message) for one in told] == [
        f"A worker was shot {did}. That makes {lost} so far." for lost in range(1, restarts + 1)
    ]


class ShortLived(Players):
    """Every other worker dies as it starts, the others in the third block that they get."""

    def answers(self) -> Iterator[tuple[Worker, Answer]]:
        done = 0
        for player, answer in super().answers():
            lives = self.begun % 2 == 0
            done = done + 1 if isinstance(answer, Receipt) else 0
            if (lives and done < 3) or self.begun > 20:
                yield player, answer
            else:
                self.players.clear()
                yield player, Lost("was shot")


def test_workers_that_start_begin_the_count_again() -> None:
    players = ShortLived()
    assert len(list(drive(players, 1, range(40), restarts=1))) == 40
    assert players.begun > 20


class WithoutReplacement(Players):
    """The second worker dies when the first has nothing to do any more, and no other ever starts."""

    def begin(self) -> Worker:
        worker = super().begin()
        if self.begun > 2:
            self.players.remove(worker)  # type: ignore[arg-type]
        return worker

    def answers(self) -> Iterator[tuple[Worker, Answer]]:
        first, second = self.players
        yield from ((player, Ready()) for player in (first, second))
        while first.blocks:
            yield first, Receipt(first.blocks.popleft(), 0.0, 1)
        yield second, Lost("was shot")
        while first.blocks:
            yield first, Receipt(first.blocks.popleft(), 0.0, 1)
        raise AssertionError("a block waits for nobody")


def test_a_worker_that_is_free_does_the_blocks_of_a_lost_one() -> None:
    receipts = list(drive(WithoutReplacement(), 2, range(4), restarts=1))
    assert sorted(receipt.block for receipt in receipts) == [0, 1, 2, 3]


def test_an_error_of_the_iterator_of_blocks_ends_the_workers() -> None:
    def blocks() -> Iterator[int]:
        yield from range(10)
        raise OSError("no more")

    players = Players()
    with pytest.raises(OSError, match="no more"):
        list(drive(players, 2, blocks(), restarts=0))
    assert players.ended
