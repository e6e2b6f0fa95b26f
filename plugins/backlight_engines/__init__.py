"""Who does the blocks of a long run: this process, several, a cluster.

work = ...  # a subclass of `Work`: small, picklable, loads what it needs in `start`
for receipt in make_engine("processes", {"workers": 2}).run(work, blocks=range(1000)):
    print(receipt.block, receipt.done, receipt.skipped)
"""

from collections.abc import Callable, Mapping

from backlight_engines.engine import Engine
from backlight_engines.errors import EngineError
from backlight_engines.in_process import InProcess
from backlight_engines.processes import Processes
from backlight_engines.registry import engines, make_engine
from backlight_engines.work import Receipt, Receipts, Work

ENGINES: Mapping[str, Callable[..., Engine]] = {
    "in_process": InProcess,
    "processes": Processes,
}
"""The engines of this package, by name."""

__all__ = [
    "ENGINES",
    "Engine",
    "EngineError",
    "InProcess",
    "Processes",
    "Receipt",
    "Receipts",
    "Work",
    "engines",
    "make_engine",
]
