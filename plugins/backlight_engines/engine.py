"""What an engine is: who does the blocks."""

from abc import ABC, abstractmethod
from collections.abc import Iterable

from backlight.errors import is_whole, require
from backlight_engines.work import Receipts, Work


class Engine(ABC):
    """Where work is done: in this process, in several, on a cluster.

    An engine is a frozen, keyword-only dataclass; its fields are its options. Other packages offer
    engines by the hook `backlight_engines`.

    **Law**: each block has one receipt, whichever worker did it. A block whose worker died is done again.
    However a run ends, none of its workers is left.
    """

    @abstractmethod
    def run(self, work: Work, blocks: Iterable[int]) -> Receipts:
        """Do the blocks and give their receipts, in the order in which they are done.

        Args:
            work: is started once in each worker, and not at all where there is no block.
            blocks: their numbers, each once. They are asked for as workers need them, a few per worker
                ahead: an iterator of millions takes no memory.

        Raises:
            BacklightError: what the work raised, as it is, with a note of the block.
            EngineError: what else the work raised; workers that die again and again; what they need
                cannot be had.
        """


def check_at_least(least: int, engine: Engine, field: str) -> None:
    """Raise HyperParameterError unless a field is a whole number of at least so much."""
    value = getattr(engine, field)
    require(
        is_whole(value) and value >= least, engine, field, f"a whole number of at least {least}"
    )
