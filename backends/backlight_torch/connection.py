"""Which ways derivatives can take from the explained value to the score, and where others are cut."""

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import torch

from backlight.model import Connection
from backlight.scores import Score
from backlight.tree import leaves
from backlight_torch.dependence import NONE, Reading, united
from backlight_torch.feeding import Block, fed
from backlight_torch.records import Node
from backlight_torch.ruled import starting, watched
from backlight_torch.tracing import Tracer

if TYPE_CHECKING:
    from backlight_torch.passes import Passes


def connection(passes: "Passes", block: Block, score: Score, at: str | None) -> Connection:
    """See `Model.connection`."""
    passes = passes.unoptimised()
    with watched(passes) as places:
        passage = passes.passage(block, score, at)
        arguments, starts = fed(block.inputs, differentiated=at is None)
        tracer = Tracer(places)
        if at is None:
            copies = cast(list[torch.Tensor], leaves(arguments.attributed))
            for start, copy in zip(starts, copies, strict=True):
                tracer.start(start, copy)
        visitor = None if passage is None else starting(passage, tracer.start)
        with tracer:
            outputs = passes.call(arguments, visitor, passage)
            if passage is not None:
                outputs = passage.read_from(outputs)
            scores = passes.evaluate(block, score, outputs)
        if at is not None:
            if passage is None or passage.leaf is None:
                raise passes.unknown(at, block)
            starts = [passage.leaf]
        found = tracer.read(scores)
        if tracer.functions and found.reached:
            dead = silent(tracer, scores, lambda: passes.backward(block, scores, starts))
            for node, number in dead:
                stop = tracer.functions[node]
                child, _ = node.next_functions[number]
                found.stops[stop] = found.stops.get(stop, NONE) | tracer.reached(child)
            tracer.without(dead)
            found.reached = tracer.reached(scores.grad_fn)
    return summed_up(found, tracer, len(starts))


def summed_up(found: Reading, tracer: Tracer, count: int) -> Connection:
    depends = found.depends | found.reached
    taken = {one: where - depends for one, where in tracer.taken.items()}
    stops = {one: where for one, where in united([found.stops, taken]).items() if where}
    depends = depends.union(*stops.values())
    told = NONE.union(*(where for one, where in stops.items() if not one.comparing))
    left = frozenset(range(count)) - found.reached - told
    shown = [one for one, where in stops.items() if not one.comparing or where & left]
    cuts = [
        replace(one.cut, name=one.cut.name or tracer.placed.get(one.number, ""))
        for one in sorted(shown, key=lambda one: one.number)
    ]
    return Connection(
        tuple(number in found.reached for number in range(count)),
        tuple(number in depends for number in range(count)),
        tuple(dict.fromkeys(cuts)),
    )


def silent(
    tracer: Tracer, scores: torch.Tensor, backward: Callable[[], object]
) -> set[tuple[Node, int]]:
    """The gradients that functions with a backward of their own do not give."""
    dead: set[tuple[Node, int]] = set()

    def watch(node: Node) -> Callable[[tuple[Any, ...], tuple[Any, ...]], None]:
        def leaving(grads: tuple[Any, ...], incoming: tuple[Any, ...]) -> None:
            for number, (child, _) in enumerate(node.next_functions):
                if child is not None and grads[number] is None and tracer.reached(child):
                    dead.add((node, number))

        return leaving

    handles = []
    try:
        for node in tracer.functions:
            handles.append(node.register_hook(watch(node)))
        backward()
    finally:
        for handle in handles:
            handle.remove()
    return dead
