"""Which ways derivatives can take from the explained value to the score, and where others are cut."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

from backlight.graph.connection import connection as connection_of
from backlight.model import Connection
from backlight.rules import NoRules
from backlight.scores import Score
from backlight_torch.feeding import Block
from backlight_torch.ruled import Run, Task, recorded

if TYPE_CHECKING:
    from backlight_torch.passes import Passes


def connection(passes: "Passes", block: Block, score: Score, at: str | None) -> Connection:
    """See `Model.connection`."""
    passes = passes.unoptimised()
    with recorded(passes, Task(block, score, at, None, NoRules())) as run:
        if run.recorder.functions:
            note_derivatives(passes, block, run)
        return connection_of(run.recorder.graph)


def note_derivatives(passes: "Passes", block: Block, run: Run) -> None:
    """Note which gradients functions with a backward of their own do give."""
    assert run.scores is not None
    handles = []
    try:
        for node, (function, places) in run.recorder.functions.items():
            attributes = cast(dict[str, Any], function.attributes)
            attributes["derivatives"] = (frozenset[int](),) * len(function.results)
            handles.append(node.register_hook(watch(attributes, places)))
        passes.backward(block, run.scores, run.starts)
    finally:
        for handle in handles:
            handle.remove()


def watch(attributes: dict[str, Any], places: list[int]) -> Callable[..., None]:
    def leaving(grads: tuple[Any, ...], incoming: tuple[Any, ...]) -> None:
        given = frozenset(at for at, place in enumerate(places) if grads[place] is not None)
        attributes["derivatives"] = (given,) * len(attributes["derivatives"])

    return leaving
