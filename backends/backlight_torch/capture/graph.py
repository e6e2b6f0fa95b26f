"""The core's graph from all inputs to the score, its values named as sites are."""

import re
from dataclasses import replace
from typing import TYPE_CHECKING, final

import torch

from backlight.graph.graph import Graph
from backlight.model.model import Site
from backlight.scores.scores import Score
from backlight_torch.capture.recorder import Recorder
from backlight_torch.engine.blocks import Block, copied_inputs
from backlight_torch.engine.runs import arrays_in, begin, step_by_step
from backlight_torch.nets.calls import is_call
from backlight_torch.sites import SiteAccess, Visitor, results, usable

if TYPE_CHECKING:
    from backlight_torch.engine.passes import Passes

POOLING = re.compile(r"Pool(ing)?[123][dD]$")
"""Ends of the names of layers that pool, PyTorch's and Keras's."""


@final
class Names(Visitor):
    """Tells which value of a graph modules and functions give.

    Attributes:
        sites: what modules give, in order, each with the number of its value; None where that does not
            depend on the inputs.
        calls: the values that functions give.
    """

    def __init__(self, recorder: Recorder, rows: int, access: SiteAccess | None) -> None:
        self.rows = rows
        self.access = access
        self.recorder = recorder
        self.sites: list[tuple[Site, int | None]] = []
        self.calls: dict[str, int | None] = {}

    def __call__(self, name: str, kind: str, value: object) -> object:
        for result, tensor in results(value).items():
            if usable(tensor, self.rows):
                known = self.recorder.knows(tensor)
                number = self.recorder.value_of(tensor) if known else None
                site = Site(name + result, tuple(tensor.shape), kind)
                if is_call(name):
                    self.calls[site.name] = number
                else:
                    self.sites.append((site, number))
        return value if self.access is None else self.access(name, kind, value)

    def read_out(self, word: str, array: torch.Tensor) -> None:
        self.recorder.read_out(word, array)

    def listed(self, graph: Graph) -> list[Site]:
        """The sites. What a container or dropout hands on is pooled if it was."""
        nodes = (node for node in graph.nodes if "pool" in node.primitive)
        layers = {value for site, value in self.sites if POOLING.search(site.kind)}
        pooled = layers.union(*(node.results for node in nodes))
        return [replace(site, pooled=value in pooled) for site, value in self.sites]


def named_graph(
    passes: "Passes", block: Block, score: Score | None
) -> tuple[Graph, object, list[Site]]:
    """The operations from the inputs to the score, or to all outputs; the outputs; and what modules give.
    Fused operations are as they are, but moves of blocks of places to channels and back, and of channels
    among groups, are expanded."""
    graph, outputs, sites, seeds = run_once(passes, block, score)
    if seeds and run_once(passes, block, score)[-1] == seeds:  # the net sets the seed in each run
        graph.nodes = [
            replace(node, primitive="other") if node.primitive == "random" else node
            for node in graph.nodes
        ]
    return graph, outputs, sites


def run_once(
    passes: "Passes", block: Block, score: Score | None
) -> tuple[Graph, object, list[Site], list[object]]:
    """See `named_graph`; and the states of the generators that the run draws from."""
    passes = passes.unoptimised()
    with step_by_step(passes, graph=False) as places:
        arguments, starts = copied_inputs(block.inputs, differentiated=False)
        recorder = Recorder(places, passes.net.numbers(), draws=True)
        names = Names(recorder, block.inputs.count, passes.access(block, score))
        begin(recorder, arguments, starts, inside=False)
        with recorder:
            outputs = passes.call(arguments, names)
            if names.access is not None:
                outputs = names.access.read_from(outputs)
            scores = None if score is None else passes.evaluate(block, score, outputs)
        read = arrays_in(outputs)
        recorder.finish(read if scores is None else [scores])
        graph = recorder.graph
        if score is not None:
            graph.kept = frozenset(recorder.value_of(one) for one in read if recorder.knows(one))
        named = {**{site.name: value for site, value in names.sites}, **names.calls}
        graph.sites = {name: value for name, value in named.items() if value is not None}
        seeds = recorder.seeds
        recorder.graph = Graph()
        recorder.clear()
        return graph, outputs, names.listed(graph), seeds
