"""The core's graph from all inputs to the score, its values named as sites are."""

from dataclasses import replace
from typing import TYPE_CHECKING, cast, final

from backlight.graph.graph import Graph
from backlight.scores import Score
from backlight_torch.calls import Left, is_call
from backlight_torch.capture.recorder import Recorder
from backlight_torch.capture.records import Record
from backlight_torch.engine.blocks import Block, copied_inputs
from backlight_torch.engine.runs import arrays_in, begin, step_by_step
from backlight_torch.sites import Place, SiteAccess, Uses, results, usable
from backlight_torch.table.moves import moved_blocks

if TYPE_CHECKING:
    from backlight_torch.engine.passes import Passes


@final
class Names:
    """Tells which value of a graph each place gives."""

    def __init__(self, recorder: Recorder, rows: int, access: SiteAccess | None) -> None:
        self.recorder = recorder
        self.rows = rows
        self.access = access
        self.modules: dict[str, int] = {}
        self.functions: dict[str, int] = {}
        self._uses = Uses()

    def __call__(self, place: Place, value: object) -> object:
        if isinstance(value, Left):
            self.recorder.read_out(place.name, value.array)
            return value
        name = self._uses.name(place)
        found = self.functions if is_call(place.name) else self.modules
        for result, tensor in results(value).items():
            if usable(tensor, self.rows) and self.recorder.knows(tensor):
                found[name + result] = self.recorder.value_of(tensor)
        if self.access is not None and place.name in self.access.places:
            return self.access(place, value)
        return value


def named_graph(passes: "Passes", block: Block, score: Score | None) -> Graph:
    """The operations from the inputs to the score, or to all outputs, fused ones as they are."""
    graph, seeds = run_once(passes, block, score)
    if seeds and run_once(passes, block, score)[1] == seeds:  # the net sets the seed in each run
        graph.nodes = [
            replace(node, primitive="other") if node.primitive == "random" else node
            for node in graph.nodes
        ]
    return graph


def run_once(passes: "Passes", block: Block, score: Score | None) -> tuple[Graph, list[object]]:
    """The graph of one run, and the states of the generators that it draws from."""
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
        graph.sites = {**names.modules, **names.functions}
        open_blocks(graph)
        seeds = recorder.seeds
        recorder.graph = Graph()
        recorder.clear()
        return graph, seeds


def open_blocks(graph: Graph) -> None:
    """Opens moves of blocks of places to channels and back, and of channels among groups."""
    nodes, graph.nodes = graph.nodes, []
    for node in nodes:
        found = None if node.native is None else moved_blocks(cast(Record, node.native))
        if found is None:
            graph.nodes.append(node)
            continue
        (x, *_), (result, *_) = node.operands, node.results
        apart, order = found
        dtype, bits = graph.values[result].dtype, graph.values[result].bits
        divided = graph.value(apart, dtype, bits=bits)
        moved = graph.value([apart[axis] for axis in order], dtype, bits=bits)
        for primitive, given, made, attributes in (
            ("reshape", x, divided, {"shape": apart}),
            ("transpose", divided, moved, {"permutation": order}),
            ("reshape", moved, result, {"shape": graph.shape(result)}),
        ):
            graph.node(primitive, [given], [made], attributes, type=node.type, place=node.place)
