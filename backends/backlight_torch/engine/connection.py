"""Which ways derivatives can take from the explained value to the score, and where others are cut."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

from backlight.graph.dependence.connection import connection as connection_of
from backlight.graph.dependence.cuts import Connection
from backlight.rules.rules import NoRules
from backlight.scores.scores import Score
from backlight_torch.capture.gradients import is_function
from backlight_torch.capture.records import Record
from backlight_torch.engine.blocks import Block
from backlight_torch.engine.runs import Run, Task, recorded
from backlight_torch.engine.units import entries_of

if TYPE_CHECKING:
    from backlight_torch.engine.passes import Passes


def connection(passes: "Passes", block: Block, score: Score, at: str | None) -> Connection:
    """See `Model.connection`."""
    passes = passes.unoptimised()
    with recorded(passes, Task(block, score, at, None, NoRules())) as run:
        note_derivatives(passes, block, run)
        graph = run.recorder.graph
        graph.targets = (*graph.targets, *run.recorder.taken)
        return connection_of(graph)


def note_derivatives(passes: "Passes", block: Block, run: Run) -> None:
    """Note which gradients functions with a backward of their own do give."""
    assert run.scores is not None
    handles = []
    try:
        for node in run.recorder.graph.nodes:
            record = node.native
            if isinstance(record, Record) and record.node is not None and is_function(record.node):
                attributes = cast(dict[str, Any], node.attributes)
                attributes["derivatives"] = (frozenset[int](),) * len(node.results)
                places = [
                    (node.operands.index(value), entry.number)
                    for value, entry in entries_of(record)
                ]
                handles.append(record.node.register_hook(watch(attributes, places)))
        if handles:
            passes.backward(block, run.scores, run.starts)
    finally:
        for handle in handles:
            handle.remove()


def watch(attributes: dict[str, Any], places: list[tuple[int, int]]) -> Callable[..., None]:
    def leaving(grads: tuple[Any, ...], incoming: tuple[Any, ...]) -> None:
        given = frozenset(operand for operand, place in places if grads[place] is not None)
        attributes["derivatives"] = (given,) * len(attributes["derivatives"])

    return leaving
