"""Blocks one after the other, in this process."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import final

from backlight_engines.engine import Engine
from backlight_engines.failure import attempt
from backlight_engines.work import Receipt, Receipts, Work


@final
@dataclass(frozen=True, kw_only=True)
class InProcess(Engine):
    """Does the blocks itself, one after the other. For it, work need not be picklable."""

    def run(self, work: Work, blocks: Iterable[int]) -> Receipts:
        do: Callable[[int], Receipt] | None = None
        for block in blocks:
            if do is None:
                do = attempt(work.start, "at its start")
            yield attempt(partial(do, block), f"in block {block}")
