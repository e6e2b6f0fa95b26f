"""The core's graph from all inputs to the score, its values named as sites are."""

import re
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from dis import opname
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, cast, final

import torch

from backlight.errors import ModelError
from backlight.graph.graph import Graph
from backlight.model.model import Site
from backlight.scores.scores import Score
from backlight_torch.capture.recorder import Recorder
from backlight_torch.engine.blocks import Block, copied_inputs
from backlight_torch.engine.runs import arrays_in, begin, step_by_step
from backlight_torch.nets.calls import is_call
from backlight_torch.sites import SiteAccess, Visitor, results, usable
from backlight_torch.table import primitive_of
from backlight_torch.table.moves import BLOCKS

if TYPE_CHECKING:
    from backlight_torch.engine.passes import Passes

POOLING = re.compile(r"Pool(ing)?[123][dD]$")
"""Ends of the names of layers that pool, PyTorch's and Keras's."""

MOST = 32
"""How many truths that Python reads are turned round, to see whether it only raises by them."""


@final
class Names(Visitor):
    """Tells which value of a graph modules and functions give.

    Attributes:
        sites: what modules give, in order, each with the number of its value; None where that does not
            depend on the inputs.
        values: what modules and functions give that does, by name; but inside of functions with a
            backward of their own, where no derivative arrives.
    """

    def __init__(self, recorder: Recorder, rows: int, access: SiteAccess | None) -> None:
        self.rows = rows
        self.access = access
        self.recorder = recorder
        self.sites: list[tuple[Site, int | None]] = []
        self.values: dict[str, int] = {}

    def __call__(self, name: str, kind: str, value: object) -> object:
        for result, tensor in results(value).items():
            if usable(tensor, self.rows):
                known = self.recorder.knows(tensor)
                number = self.recorder.value_of(tensor) if known else None
                if not is_call(name):
                    site = Site(name + result, tuple(tensor.shape), kind)
                    self.sites.append((site, number))
                # Such functions run with derivatives off both ways; `no_grad` leaves those forward on.
                if number is not None and torch._C._is_fwd_grad_enabled():
                    self.values[name + result] = number
        return value if self.access is None else self.access(name, kind, value)

    def read_from(self, outputs: object) -> object:
        return outputs if self.access is None else self.access.read_from(outputs)

    def read_out(self, word: str, array: torch.Tensor) -> None:
        self.recorder.read_out(word, array)

    def listed(self, graph: Graph) -> list[Site]:
        """The sites. What a container or dropout hands on is pooled if it was."""
        nodes = (node for node in graph.nodes if "pool" in node.primitive)
        layers = {value for site, value in self.sites if POOLING.search(site.kind)}
        pooled = layers.union(*(node.results for node in nodes))
        return [replace(site, pooled=value in pooled) for site, value in self.sites]


@final
@dataclass(frozen=True, eq=False)
class NamedRun:
    """A run of a net, its values named.

    Attributes:
        graph: from the inputs to the score, or to all outputs.
        outputs: of the net.
        sites: what modules give.
        seeds: the states of the generators that the run draws from.
        truths: what stands for each truth that Python reads, each time.
    """

    graph: Graph
    outputs: object
    sites: list[Site]
    seeds: list[object]
    truths: list[list[int]]


def named_graph(passes: "Passes", block: Block, score: Score | None) -> Graph:
    """The operations from the inputs to the score, or to all outputs, without truths that Python reads
    for no more than to raise an error or to warn by them."""
    run = named_run(passes, block, score)
    graph = run.graph
    if run.seeds and named_run(passes, block, score).seeds == run.seeds:  # set in each run
        graph.nodes = [
            replace(node, primitive="other") if node.primitive == "random" else node
            for node in graph.nodes
        ]
    checks: set[int] = set()
    for number, read in enumerate(run.truths[:MOST]):
        checks.update(read if is_check(passes, block, score, number, run) else ())
    graph.nodes = [node for node in graph.nodes if checks.isdisjoint(node.results)]
    return graph


def is_check(
    passes: "Passes", block: Block, score: Score | None, number: int, run: NamedRun
) -> bool:
    """Whether nothing else is computed where a truth that Python reads is turned round, as where a
    warning hangs on it, or an error is raised: by a statement of a function that was running when it was
    read. Others may come of going on with the wrong truth."""
    running: set[FrameType] = set()

    def turn(one: int) -> bool:
        frame = sys._getframe() if one == number else None
        while frame is not None:
            running.add(frame)
            frame = frame.f_back
        return one == number

    try:
        return alike(run, named_run(passes, block, score, turn))
    except (Exception, SystemExit) as error:  # a net may end the program where it does not go on
        raised = (isinstance(error, ModelError) and error.__cause__) or error
        trace = cast(TracebackType, raised.__traceback__)
        while trace.tb_next is not None:
            trace = trace.tb_next
        frame = trace.tb_frame
        last = opname[frame.f_code.co_code[trace.tb_lasti]]
        return frame in running and last == "RAISE_VARARGS"
    finally:
        running.clear()  # it holds this frame, and the arrays of the net's


def alike(one: NamedRun, other: NamedRun) -> bool:
    """Whether two runs on the same inputs do the same operations and give the same outputs, and not by
    the luck of the draw."""
    if any(node.primitive == "random" for node in one.graph.nodes):
        return False
    done, again = (
        [(node.type, node.operands, node.results) for node in run.graph.nodes]
        for run in (one, other)
    )
    given = zip(arrays_in(one.outputs), arrays_in(other.outputs), strict=True)
    return done == again and all(torch.equal(*pair) for pair in given)


def named_run(
    passes: "Passes",
    block: Block,
    score: Score | None,
    turn: Callable[[int], bool] = lambda number: False,
) -> NamedRun:
    """A run with the names of its values. Fused operations are as they are, but moves of blocks of places
    to channels and back, and of channels among groups, are expanded. For `turn` see `Recorder`."""
    passes = passes.unoptimised()
    with step_by_step(passes, graph=False) as places:
        arguments, starts = copied_inputs(block.inputs, differentiated=False)
        recorder = Recorder(
            primitive_of, places, passes.net.numbers(), draws=True, simpler=BLOCKS, turn=turn
        )
        names = Names(recorder, block.inputs.count, passes.access(block, score))
        begin(recorder, arguments, starts, inside=False)
        with recorder:
            outputs = passes.call(arguments, names)
            scores = None if score is None else passes.evaluate(block, score, outputs)
        read = arrays_in(outputs)
        recorder.finish(read if scores is None else [scores])
        graph = recorder.graph
        if score is not None:
            graph.kept = frozenset(recorder.value_of(one) for one in read if recorder.knows(one))
        # A value that both a module and a function give goes by the module's name.
        graph.sites = dict(sorted(names.values.items(), key=lambda one: is_call(one[0])))
        run = NamedRun(
            graph, outputs, names.listed(graph), recorder.seeds, [*recorder.truths.values()]
        )
        recorder.graph = Graph()
        recorder.clear()
        return run
